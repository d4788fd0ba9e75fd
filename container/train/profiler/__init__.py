"""The profiler of a training job: the phases of every step, samples of the machine, and a window of torch.profiler.

The engine marks the end of each phase on a StepTimer; all other work is done by one thread of each process.
`container.report` reads the files.
"""
