"""What bench.serve and bench.soak are made of: a model and requests, the servers, and what asks them.

`ours` is the only module that knows how our own server's processes are put together.
"""
