"""The timing of training steps, by marks at the end of each phase.

In a job of several processes `backward` includes the exchange of gradients, in which fast processes wait for slow ones:
a process's own speed shows in `data`, `copy` and `forward`.
"""

import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

from container.contract.step_phases import Phase


@dataclass(frozen=True, kw_only=True, slots=True)
class StepRecord:
    """One optimizer step of one process."""

    step: int
    """Counted from 1 over the whole job."""
    epoch: int
    start: float
    """Seconds since 1970."""
    wall: float
    """Seconds since the end of the previous step, or the beginning of the epoch."""
    pictures: int
    """Pictures in this process."""
    phases: dict[Phase, float]
    """Seconds by phase; the rest of `wall` is logging and the like."""


class StepTimer(Protocol):
    """The timer that the engine marks."""

    def mark(self, phase: Phase) -> None:
        """Count the time since the last mark for this phase; a step may have a phase several times."""

    def end_step(self, pictures: int) -> None:
        """End the step; the next one's `data` begins."""


class NoTimer:
    """Measures nothing."""

    def mark(self, phase: Phase) -> None:
        pass

    def end_step(self, pictures: int) -> None:
        pass


NO_TIMER = NoTimer()


class StepClock(StepTimer, Protocol):
    """A timer that keeps its measurements until they are collected."""

    def begin(self, *, epoch: int, step: int) -> None:
        """Begin an epoch's steps.

        Args:
            epoch: The epoch, from 1.
            step: Its first step, counted from 1 over the whole job.
        """

    def resume(self) -> None:
        """Begin the step now: the time since the last step's end belongs to no step."""

    def collect(self) -> list[StepRecord]:
        """Return the steps finished since the last call; may be called by another thread."""


class HostClock:
    """A StepClock for a CPU, which runs in step with the host."""

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
