"""Where the time of a training step goes: a mark at the end of each phase.

In a job of several processes `backward` holds the exchange of gradients, in which the quick wait for the slow: a
process's own speed is that of `data`, `copy` and `forward`.
"""

import time
from collections import deque
from dataclasses import dataclass
from typing import Literal, Protocol

Phase = Literal["data", "copy", "forward", "backward", "optimizer", "debugger"]

PHASES: tuple[Phase, ...] = ("data", "copy", "forward", "backward", "optimizer", "debugger")


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRecord:
    """One optimizer step of one process."""

    step: int
    """Counted from 1 over the whole job."""
    epoch: int
    start: float
    """Seconds since 1970."""
    wall: float
    """Seconds from the end of the step before it, or from the beginning of the epoch."""
    pictures: int
    """Of this process."""
    phases: dict[Phase, float]
    """Seconds; what is left of `wall` is logging and the like."""


class StepTimer(Protocol):
    """What the engine tells."""

    def mark(self, phase: Phase) -> None:
        """The time since the last mark was this phase's, which a step may have several times."""

    def end_step(self, pictures: int) -> None:
        """The step is over, with everything that follows on it; the next one's `data` begins."""


class NoTimer:
    """Measures nothing."""

    def mark(self, phase: Phase) -> None:
        pass

    def end_step(self, pictures: int) -> None:
        pass


NO_TIMER = NoTimer()


class StepClock(StepTimer, Protocol):
    """A timer that keeps what it measured until it is asked."""

    def begin(self, *, epoch: int, step: int) -> None:
        """An epoch's steps begin.

        Args:
            epoch: Counted from 1.
            step: Of the whole job, from 1: the one that begins.
        """

    def resume(self) -> None:
        """What happened since the last step's end belongs to no step."""

    def collect(self) -> list[StepRecord]:
        """The steps that were finished since the last call; may be called by another thread."""


class HostClock:
    """For a CPU, which does what it is told before the next line runs."""

    def __init__(self) -> None:
        self._epoch = self._step = 0
        self._start = self._last = 0.0
        self._phases: dict[Phase, float] = {}
        self._done: deque[StepRecord] = deque()

    def begin(self, *, epoch: int, step: int) -> None:
        self._epoch, self._step = epoch, step
        self.resume()

    def resume(self) -> None:
        self._phases = {}
        self._start = self._last = time.perf_counter()

    def mark(self, phase: Phase) -> None:
        now = time.perf_counter()
        self._phases[phase] = self._phases.get(phase, 0.0) + now - self._last
        self._last = now

    def end_step(self, pictures: int) -> None:
        now = time.perf_counter()
        self._done.append(
            StepRecord(
                step=self._step,
                epoch=self._epoch,
                start=time.time() - (now - self._start),
                wall=now - self._start,
                pictures=pictures,
                phases=self._phases,
            )
        )
        self._step += 1
        self._phases = {}
        self._start = self._last = now

    def collect(self) -> list[StepRecord]:
        return [self._done.popleft() for _ in range(len(self._done))]
