"""What a job records of its own speed while it trains: the phases of every step, samples of the machine, and a window
of torch.profiler; `container.report` reads it.

The engine tells a StepTimer where each phase ends, and everything else happens in one thread of each process.
"""
