"""The thread that writes a process's measurements and samples the machine."""

import logging
import threading
from collections import deque
from pathlib import Path

from container.best_effort import BestEffort
from container.train.profiler.records import PhaseRecord, RecordFiles
from container.train.profiler.sampler import INTERVAL_S, Sampler
from container.train.profiler.timeline import Timeline
from container.train.profiler.timing import StepClock

logger = logging.getLogger(__name__)


class Recorder:
    """Moves records from memory, where training leaves them, to the files, twice a second.

    Args:
        directory: The job's profile.
        rank: The rank of this process.
        clock: The source of finished steps.
        writing: Runs all writes of the profile.
        sampler: Samples the machine; None if another process of the host does.
        timeline: SageMaker's timeline, if the job wants one.
    """

    def __init__(
        self,
        directory: Path,
        rank: int,
        clock: StepClock,
        writing: BestEffort,
        *,
        sampler: Sampler | None,
        timeline: Timeline | None,
    ) -> None:
        self._clock = clock
        self._phases: deque[PhaseRecord] = deque()
        self._files = RecordFiles(directory, rank)
        self._writing = writing
        self._writing_timeline = BestEffort(
            "the timeline for SageMaker's profiler cannot be written; training goes on without it", OSError
        )
        self._sampler = sampler
        self._timeline = timeline
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="profiler", daemon=True)
        self._thread.start()

    def add(self, phase: PhaseRecord) -> None:
        self._phases.append(phase)

    def flush(self) -> None:
        """Write all records so far."""
        with self._lock:
            self._write()

    def close(self) -> None:
        """Write the rest and end the thread."""
        self._over.set()
        self._thread.join()
        self.flush()
        if self._timeline:
            self._writing_timeline(self._timeline.flush)

    def _run(self) -> None:
        while not self._over.wait(INTERVAL_S):
            with self._lock:
                self._write()
            if self._sampler:
                self._writing(self._sampler.sample_if_due)

    def _write(self) -> None:
        try:
            steps = self._clock.collect()
        except RuntimeError as error:  # the GPU failed, which ends training too
            logger.warning("the GPU cannot tell how long steps took: %s", error)
            steps = []
        phases = [self._phases.popleft() for _ in range(len(self._phases))]
        self._writing(lambda: self._files.append(steps, phases))
        if timeline := self._timeline:
            self._writing_timeline(lambda: timeline.append(steps, phases))
