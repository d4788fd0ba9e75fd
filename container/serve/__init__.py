"""What answers /ping and /invocations: a supervisor, a front on the public port, and multi-model-server behind it.

`supervisor` starts and watches the other two; `front` is the only part that a client reaches; `service` is what
multi-model-server's workers run. The supervisor and the front import no torch.
"""
