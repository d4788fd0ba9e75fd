"""Runs training steps with and without the profiler and our hook; each run returns seconds per step."""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.workload import Training, Workload
from container.contract.debugger_defaults import LARGEST_INTERVAL
from container.contract.paths import MlPaths
from container.train.debugger.configuration import parse
from container.train.debugger.hook import Hook
from container.train.debugger.session import Debugger, start_debugger
from container.train.profiler.start import start_profiler

# Without the optimizer's state, which smdebug does not save.
EVERYTHING: Mapping[str, Any] = {"HookParameters": {"include_regex": "^(?!optimizer)", "save_interval": "1"}}
INTERVAL = LARGEST_INTERVAL
_MANY = 10_000
"""Steps of a job long enough for that interval."""
_WINDOW = 12
"""Steps after which torch.profiler's window is over; a job has one, whatever its length."""
_WARM_UP = 2


class Runs:
    """All configurations, on one network.

    Args:
        workload: What is trained.
        scratch: Directory for output; emptied after each run, so that no writing goes on in the next one.
        steps: Of a run that saves once or never, at most INTERVAL.
        saving_steps: Of a run that saves at each step.
    """

    def __init__(self, workload: Workload, scratch: Path, *, steps: int, saving_steps: int) -> None:
        self.training = Training(workload)
        self._scratch = scratch / "job"
        self._steps, self._saving_steps = steps, saving_steps

    def neither(self) -> float:
        self.training.run(_WARM_UP)
        return self._timed(self._steps)

    def profiler(self) -> float:
        with self._job() as paths:
            profiler = start_profiler(
                self.training.config,
                paths,
                self.training.world,
                self.training.device,
                job="bench",
                pictures={},
                step_seconds={},
                versions={},
            )
            try:
                self.training.run(_WINDOW, timer=profiler.begin_epoch(1, step=1, steps=_WINDOW))
                timer = profiler.begin_epoch(2, step=_WINDOW + 1, steps=self._steps)
                start = time.perf_counter()
                self.training.run(self._steps, timer=timer)
                return (time.perf_counter() - start) / self._steps
            finally:
                profiler.close()

    def hook_off(self) -> float:
        """Measure the hook as in a job with USE_SMDEBUG=0."""
        self.training.run(_WARM_UP)
        return self._timed(self._steps, Debugger())

    def hook_default(self) -> float:
        """Measure `debug=true` where only the first step saves."""
        with self._default() as debugger:
            return self._timed(self._steps, debugger)

    def hook_between_saves(self) -> float:
        """Measure `debug=true` at steps that save nothing."""
        with self._default() as debugger:
            debugger.load_state_dict({"TRAIN": 0, "GLOBAL": 0})
            start = time.perf_counter()
            self.training.run(self._steps, debugger=debugger)
            seconds = time.perf_counter() - start
            debugger.close()
            return seconds / self._steps

    @contextmanager
    def _default(self) -> Iterator[Debugger]:
        with self._job() as paths:
            self.training.run(_WARM_UP)
            debugger = start_debugger(paths, self.training.world, debug=True, steps=_MANY)
            debugger.watch(self.training.model)
            debugger.train()
            yield debugger

    def hook_all(self) -> float:
        """Measure saving everything at each step; from the first one, so that no earlier writing is counted."""
        with self._job() as paths:
            self.training.run(_WARM_UP)
            hook = Hook.from_settings(parse({**EVERYTHING, "LocalPath": str(paths.base / "tensors")}, paths))
            debugger = Debugger(hook)
            debugger.watch(self.training.model)
            debugger.train()
            return self._timed(self._saving_steps, debugger)

    def _timed(self, steps: int, debugger: Debugger | None = None) -> float:
        """Time steps until the hook has finished writing."""
        start = time.perf_counter()
        self.training.run(steps, debugger=debugger)
        if debugger is not None:
            debugger.close()
        return (time.perf_counter() - start) / steps

    @contextmanager
    def _job(self) -> Iterator[MlPaths]:
        paths = MlPaths(self._scratch)
        paths.output_data.mkdir(parents=True)
        try:
            yield paths
        finally:
            shutil.rmtree(self._scratch)
