"""A window of torch.profiler: a few steps of one epoch, once in a job, by operator and kernel."""

import gzip
import json
import logging
import os
from pathlib import Path

from torch.profiler import ProfilerAction, ProfilerActivity, profile

from container.atomic_file import write_atomically
from container.best_effort import BestEffort
from container.train.profiler.trace_table import operator_table

logger = logging.getLogger(__name__)

TRACE = "trace.json.gz"
OPERATORS = "operators.json"
WAIT, WARM_UP, STEPS = 3, 2, 3
"""Steps that the profiler waits, warms up, and records."""


class Window:
    """The window of the first process. Stacks are not recorded: they cost more than all the rest.

    Args:
        directory: The folder of the trace and the table.
        writing: Runs the writes.
        on_gpu: Whether the job trains on a GPU; one that it does not use is not profiled.
    """

    def __init__(self, directory: Path, writing: BestEffort, *, on_gpu: bool) -> None:
        self._directory = directory
        self._raw = directory / "trace.json"
        self._writing = writing
        self._profiling = BestEffort("torch.profiler failed; training goes on without it", RuntimeError)
        # Otherwise it logs an error on every machine without a GPU.
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")
        self._steps_of_epoch = self._seen = self._recorded = self._first_step = 0
        self._action = ProfilerAction.NONE
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu
        self._profile: profile | None = profile(
            activities=activities, schedule=lambda _step: self._action, on_trace_ready=self._export
        )
        self._profile.start()

    @property
    def is_over(self) -> bool:
        return self._profile is None

    def before_step(self, step: int, left: int) -> bool:
        """Advance the profiler before a step, or before an epoch's evaluation.

        Args:
            step: The step, counted over the whole job.
            left: Steps left in this epoch, including this one.

        Returns:
            Whether this took time that belongs to no step.
        """
        if self._profile is None:
            return False
        recording = self._action == ProfilerAction.RECORD
        if recording and (self._recorded == STEPS or left == 0):
            self.close()
            return True
        self._steps_of_epoch = max(self._steps_of_epoch, left)
        if not recording and self._seen >= WAIT:
            # Within one epoch: an evaluation in between would dominate the trace.
            whole = self._seen >= WAIT + WARM_UP and left >= min(STEPS, self._steps_of_epoch)
            self._action = ProfilerAction.RECORD if whole else ProfilerAction.WARMUP
            self._first_step = step
        if left > 0:
            self._seen += 1
            self._recorded += self._action == ProfilerAction.RECORD
        if self._action == ProfilerAction.NONE:
            return False
        if not self._profiling(self._profile.step):
            self._profile = None
        return True

    def close(self) -> None:
        """End the window, if it has not ended yet; write the trace."""
        if self._profile is not None:
            done, self._profile = self._profile, None
            self._profiling(done.stop)

    def _export(self, recorded: profile) -> None:
        def write() -> None:
            self._directory.mkdir(parents=True, exist_ok=True)
            recorded.export_chrome_trace(str(self._raw))

        self._writing(write)

    def finish(self) -> None:
        """Make the table and compress the trace: work that no step should wait for."""
        self.close()
        self._writing(self._pack)

    def _pack(self) -> None:
        if not self._raw.exists():
            return
        text = self._raw.read_bytes()
        try:
            events = json.loads(text)["traceEvents"]
        except (ValueError, KeyError) as error:
            logger.warning("torch.profiler's trace %s cannot be read: %s", self._raw, error)
            return
        table = operator_table(events, steps=self._recorded, first_step=self._first_step)
        write_atomically(self._directory / OPERATORS, lambda path: path.write_text(json.dumps(table)))
        write_atomically(self._directory / TRACE, lambda path: path.write_bytes(gzip.compress(text, 6)))
        self._raw.unlink()
