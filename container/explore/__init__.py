"""What one machine can tell of a data set's pictures alone; `slipway data explore` compares them.

`python -m container.explore` is the program of its processing job, which writes a part for each instance.
"""
