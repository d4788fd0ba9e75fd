"""What the training program tells a profiler, and one that is told in vain."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

from container.train.profiler.timing import NO_TIMER, StepTimer

JobPhase = Literal["initialization", "evaluation", "checkpoint", "model", "test", "report", "profiler"]
"""Outside steps; `model` is saving the best one, `profiler` the writing of torch.profiler's window."""


class Profiler(Protocol):
    """Of one process. What it cannot write is a warning, never the end of training."""

    def begin_epoch(self, epoch: int, *, step: int, steps: int) -> StepTimer:
        """The timer of an epoch's steps, which begin now.

        Args:
            epoch: Counted from 1.
            step: Of the whole job, from 1: the one that begins.
            steps: How many follow in this epoch.
        """

    def phase(self, name: JobPhase) -> AbstractContextManager[None]:
        """Measures what happens within it."""

    def end_epoch(self) -> None:
        """Everything so far can be read from now on, whatever happens."""

    def gather(self) -> None:
        """Bring what the other hosts recorded to the first process; every process of the job calls this."""

    def close(self) -> None:
        """The job is over."""


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
