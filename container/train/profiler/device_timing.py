"""Step timing on a GPU, which runs behind the host and so must be timed by its own clock.

A mark is a CUDA event in the stream, read once the GPU has passed it; nothing waits for it. `data` is then the time in
which the GPU was idle for want of a batch, and a step's `wall` the time from event to event.
"""

import time
from collections import deque
from dataclasses import dataclass

import torch

from container.contract.step_phases import Phase
from container.train.profiler.timing import StepRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class _Origin:
    """A moment by the clocks of both host and GPU."""

    event: torch.cuda.Event
    time: float
    """Seconds since 1970."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Step:
    step: int
    epoch: int
    pictures: int
    origin: _Origin
    start: torch.cuda.Event
    marks: list[tuple[Phase, torch.cuda.Event]]
    end: torch.cuda.Event


class DeviceClock:
    """A StepClock of CUDA events, which are reused once they are read."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._epoch = self._step = 0
        self._free: deque[torch.cuda.Event] = deque()
        self._pending: deque[_Step] = deque()
        self._marks: list[tuple[Phase, torch.cuda.Event]] = []

    def begin(self, *, epoch: int, step: int) -> None:
        self._epoch, self._step = epoch, step
        event = _new_event()
        event.record()
        self._origin = _Origin(event=event, time=time.time())
        self.resume()

    def resume(self) -> None:
        self._marks = []
        self._start = self._record()

    def mark(self, phase: Phase) -> None:
        self._marks.append((phase, self._record()))

    def end_step(self, pictures: int) -> None:
        end = self._record()
        self._pending.append(
            _Step(
                step=self._step,
                epoch=self._epoch,
                pictures=pictures,
                origin=self._origin,
                start=self._start,
                marks=self._marks,
                end=end,
            )
        )
        self._step += 1
        self._marks, self._start = [], end

    def collect(self) -> list[StepRecord]:
        """Return the steps whose end the GPU has passed.

        Raises:
            RuntimeError: The GPU has failed.
        """
        done = []
        # The calling thread's device is the first GPU, which it would begin to use.
        with torch.cuda.device(self._device):
            while self._pending and self._pending[0].end.query():  # type: ignore[no-untyped-call]
                step = self._pending.popleft()
                done.append(_read(step))
                self._free.append(step.start)
                self._free.extend(event for _, event in step.marks)
        return done

    def _record(self) -> torch.cuda.Event:
        try:
            event = self._free.popleft()
        except IndexError:
            event = _new_event()
        event.record()
        return event


def _new_event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def _read(step: _Step) -> StepRecord:
    phases: dict[Phase, float] = {}
    last = step.start
    for phase, event in step.marks:
        phases[phase] = phases.get(phase, 0.0) + _seconds(last, event)
        last = event
    return StepRecord(
        step=step.step,
        epoch=step.epoch,
        start=step.origin.time + _seconds(step.origin.event, step.start),
        wall=_seconds(step.start, step.end),
        pictures=step.pictures,
        phases=phases,
    )


def _seconds(start: torch.cuda.Event, end: torch.cuda.Event) -> float:
    return float(start.elapsed_time(end)) / 1000
