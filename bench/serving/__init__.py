"""Parts of bench.serve and bench.soak: a model and requests, the servers, and the load generator.

`ours` is the only module that knows the inside of our own server.
"""
