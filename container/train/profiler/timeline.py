"""The timeline of the steps, as smdebug 1.0 writes it for SageMaker's framework rules.

Chrome trace events with times relative to the first event's `start_time_since_epoch_in_micros`, in files
`framework/pevents/<YYYYMMDDHH>/<microseconds of the last event's end>_<rank>-<host>_pythontimeline.json`. A file
appears complete, when it is due.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from container.atomic_file import write_atomically
from container.contract.step_phases import Phase
from container.train.profiler.records import PhaseRecord
from container.train.profiler.timeline_configuration import TimelineConfiguration
from container.train.profiler.timing import StepRecord

_STEP = "Step:ModeKeys.TRAIN"

# The names that smdebug's readers look for, where they have one.
_NAMES: dict[Phase, str] = {
    "data": "DataLoaderIter::GetNext",
    "copy": "HostToDeviceCopy",
    "forward": "Forward-node",
    "backward": "Backward(post-forward)-node",
    "optimizer": "OptimizerStep",
    "debugger": "DebuggerHook",
}
# The order in which the phases happen.
_ORDER: tuple[Phase, ...] = ("data", "copy", "forward", "backward", "debugger", "optimizer")


class Timeline:
    """The timeline of one process.

    Args:
        configuration: The directory, and limits of the files.
        rank: The rank of the process.
        node: The name of its host, without an underscore.
    """

    def __init__(self, configuration: TimelineConfiguration, *, rank: int, node: str) -> None:
        self._configuration = configuration
        self._writer = f"{rank}-{node}"
        self._origin = time.time_ns() // 1000
        self._tracks: dict[str, int] = {}
        self._clear()

    def append(self, steps: list[StepRecord], phases: list[PhaseRecord]) -> None:
        """Add steps and phases, and write the file if it is due.

        Raises:
            OSError: The file cannot be written.
        """
        for step in steps:
            self._add(_STEP, step.start, step.wall, step.step)
            start = step.start
            for phase in _ORDER:
                if seconds := step.phases.get(phase):
                    self._add(_NAMES[phase], start, seconds, step.step)
                    start += seconds
        for record in phases:
            if record.name == "evaluation":
                self._add("Step:ModeKeys.EVAL", record.start, record.seconds, record.epoch or 0)
        age = time.monotonic() - self._opened
        if self._bytes >= self._configuration.max_file_bytes or age >= self._configuration.close_interval_s:
            self.flush()

    def flush(self) -> None:
        """Write the events so far as a file.

        Raises:
            OSError: The file cannot be written.
        """
        if self._lines:
            hour = time.strftime("%Y%m%d%H", time.gmtime(self._end / 1e6))
            folder: Path = self._configuration.directory / "framework" / "pevents" / hour
            folder.mkdir(parents=True, exist_ok=True)
            text = "[\n" + ",\n".join([*self._metadata(), *self._lines]) + "\n]"
            write_atomically(
                folder / f"{self._end}_{self._writer}_pythontimeline.json",
                lambda path: path.write_text(text, encoding="utf-8"),
            )
        self._clear()

    def _clear(self) -> None:
        self._lines: list[str] = []
        self._bytes = 0
        self._end = 0
        self._opened = time.monotonic()

    def _add(self, name: str, start: float, seconds: float, step: int) -> None:
        track = self._tracks.setdefault(name, len(self._tracks) + 1)
        begin, duration = int(start * 1e6), int(seconds * 1e6)
        line = json.dumps(
            {
                "name": name,
                "pid": track,
                "ph": "X",
                "ts": begin - self._origin,
                "dur": duration,
                "args": {"pid": os.getpid(), "step_num": str(step)},
            }
        )
        self._lines.append(line)
        self._bytes += len(line) + 2
        self._end = max(self._end, begin + duration)

    def _metadata(self) -> list[str]:
        events: list[tuple[str, int, dict[str, Any]]] = [
            ("process_name", 0, {"start_time_since_epoch_in_micros": self._origin}),
            ("process_sort_index", 0, {"sort_index": 0}),
        ]
        for name, track in self._tracks.items():
            events += [("process_name", track, {"name": name}), ("process_sort_index", track, {"sort_index": track})]
        return [json.dumps({"name": name, "ph": "M", "pid": pid, "args": args}) for name, pid, args in events]
