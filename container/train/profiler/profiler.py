"""The Profiler protocol, and a no-op implementation."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

from container.train.profiler.timing import NO_TIMER, StepTimer

JobPhase = Literal["initialization", "evaluation", "checkpoint", "model", "test", "export", "report", "profiler"]
"""The phases outside steps; `model` is saving the best model, `profiler` writing torch.profiler's window."""


class Profiler(Protocol):
    """The profiler of one process. A failed write is a warning, never the end of training."""

    def begin_epoch(self, epoch: int, *, step: int, steps: int) -> StepTimer:
        """Begin an epoch's steps; return their timer.

        Args:
            epoch: The epoch, from 1.
            step: The epoch's first step, counted from 1 over the whole job.
            steps: The number of steps in this epoch.
        """

    def phase(self, name: JobPhase) -> AbstractContextManager[None]:
        """Measure the time in a `with` block."""

    def end_epoch(self) -> None:
        """Write everything so far, so that it survives a crash."""

    def gather(self) -> None:
        """Bring the other hosts' records to the first process; every process of the job calls this."""

    def close(self) -> None:
        """End the profile."""


class NoProfiler:
    """Records nothing."""

    def begin_epoch(self, epoch: int, *, step: int, steps: int) -> StepTimer:
        return NO_TIMER

    def phase(self, name: JobPhase) -> AbstractContextManager[None]:
        return nullcontext()

    def end_epoch(self) -> None:
        pass

    def gather(self) -> None:
        pass

    def close(self) -> None:
        pass
