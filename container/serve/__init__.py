"""The server behind /ping and /invocations, a folder for each kind of process.

- `supervisor` starts and watches the others (`python -m container.serve.supervisor`).
- `front` is the only part that a client reaches.
- `mms` is everything specific to multi-model-server, which stands between the front and the workers.
- `worker` runs in multi-model-server's workers: pictures to answers, and a user's inference.py.
- `protocol` is what processes exchange; `settings` are environment variables, logs and limits.
- `watch` is the front's metrics, for Prometheus and CloudWatch.

The supervisor and the front import neither torch nor a worker's code; pyproject.toml has the import rules.
"""
