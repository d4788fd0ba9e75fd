"""The Profiler that records."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from container.atomic_file import write_atomically
from container.best_effort import BestEffort
from container.contract.step_phases import Phase
from container.train.launch.distributed import World
from container.train.profiler.facts import Facts
from container.train.profiler.hosts_files import gather_files, write_files
from container.train.profiler.profiler import JobPhase
from container.train.profiler.recorder import Recorder
from container.train.profiler.records import PhaseRecord
from container.train.profiler.timing import StepClock, StepTimer
from container.train.profiler.window import Window

FORMAT_VERSION = 1
PROFILE = "profile.json"

AddPhase = Callable[[JobPhase, float, float], None]

_OF_THE_JOB: frozenset[JobPhase] = frozenset(("initialization", "test", "export", "report"))


@dataclass(frozen=True, kw_only=True)
class ProcessPlace:
    """The place of one of the job's processes."""

    rank: int
    node: str
    """The process's host, as SageMaker names it: algo-1."""
    local_rank: int


class Recording:
    """A Profiler that records.

    Args:
        directory: The job's profile.
        world: The processes of the job.
        processes: Their places, by rank.
        facts: The facts of the job.
        started: When this program started, seconds since 1970.
        clock: Times the steps.
        writing: Runs all writes of the profile.
        recorder: Writes the measurements.
        window: The window of torch.profiler, in the first process.
    """

    def __init__(
        self,
        directory: Path,
        world: World,
        processes: list[ProcessPlace],
        facts: Facts,
        *,
        started: float,
        clock: StepClock,
        writing: BestEffort,
        recorder: Recorder,
        window: Window | None,
    ) -> None:
        self._directory = directory
        self._world = world
        self._processes = processes
        self._facts = facts
        self._started = started
        self._training_started: float | None = None
        self._epoch: int | None = None
        self._clock = clock
        self._writing = writing
        self._recorder = recorder
        self._window = window
        self._peaks: list[int] | None = None

    def begin_epoch(self, epoch: int, *, step: int, steps: int) -> StepTimer:
        self._epoch = epoch
        if self._training_started is None:
            self._training_started = now = time.time()
            self._add("initialization", self._started, now - self._started)
            self._write()
        timer: StepTimer = self._clock
        if self._window and not self._window.is_over:
            timer = _WindowTimer(self._clock, self._window, self._add, step=step, steps=steps)
        self._clock.begin(epoch=epoch, step=step)
        return timer

    @contextmanager
    def phase(self, name: JobPhase) -> Iterator[None]:
        start, begin = time.time(), time.perf_counter()
        try:
            yield
        finally:
            self._add(name, start, time.perf_counter() - begin)

    def end_epoch(self) -> None:
        self._recorder.flush()
        self._write()

    def gather(self) -> None:
        self._finish_window()
        node, first = self._processes[self._world.rank].node, self._processes[0].node
        if node == first:
            self._recorder.flush()
        else:
            self._recorder.close()
            self._writing.over = True
        self._peaks = self._world.gather(_peak_memory())
        gathered = gather_files(self._world, self._directory, node, first)
        if node != first and self._world.local_rank == 0:
            # The first process has a copy now.
            shutil.rmtree(self._directory, ignore_errors=True)
        self._writing(lambda: write_files(self._directory, gathered))
        self._write()

    def close(self) -> None:
        self._finish_window()
        self._recorder.close()
        self._write()

    def _finish_window(self) -> None:
        if self._window:
            with self.phase("profiler"):
                self._window.finish()
            self._window = None

    def _add(self, name: JobPhase, start: float, seconds: float) -> None:
        epoch = None if name in _OF_THE_JOB else self._epoch
        self._recorder.add(PhaseRecord(name=name, epoch=epoch, start=start, seconds=seconds))

    def _write(self) -> None:
        """Write profile.json, in the first process."""
        if not self._world.is_first:
            return
        text = json.dumps(self._contents(), indent=1)

        def write() -> None:
            self._directory.mkdir(parents=True, exist_ok=True)
            write_atomically(self._directory / PROFILE, lambda path: path.write_text(text, encoding="utf-8"))

        self._writing(write)

    def _contents(self) -> dict[str, Any]:
        peaks = self._peaks or [_peak_memory()]
        return {
            "format_version": FORMAT_VERSION,
            "started": self._started,
            "training_started": self._training_started,
            "ended": time.time(),
            **self._facts.to_json(),
            "processes": [asdict(process) for process in self._processes],
            "peak_gpu_memory_bytes": peaks if self._facts.device.is_cuda else [],
        }


class _WindowTimer:
    """A StepTimer that also drives the window of torch.profiler."""

    def __init__(self, clock: StepClock, window: Window, add: AddPhase, *, step: int, steps: int) -> None:
        self._clock = clock
        self._window = window
        self._add = add
        self._step = step
        self._left = steps
        self._before_step()

    def mark(self, phase: Phase) -> None:
        self._clock.mark(phase)

    def end_step(self, pictures: int) -> None:
        self._clock.end_step(pictures)
        self._step += 1
        self._left -= 1
        self._before_step()

    def _before_step(self) -> None:
        if self._window.is_over:
            return
        start, begin = time.time(), time.perf_counter()
        if self._window.before_step(self._step, self._left):
            self._add("profiler", start, time.perf_counter() - begin)
            self._clock.resume()


def _peak_memory() -> int:
    try:
        return torch.cuda.max_memory_allocated() if torch.cuda.is_initialized() else 0  # type: ignore[no-untyped-call]
    except RuntimeError:  # the GPU has failed, which ends training too
        return 0
