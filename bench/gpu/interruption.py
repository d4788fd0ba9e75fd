"""Kills a job and resumes it from its checkpoint; compares its metrics with those of uninterrupted jobs, and those with
each other."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from bench.gpu.part import Options
from bench.gpu.record import Record
from bench.pictures import picture_folder
from bench.telling import tell
from container.cpus import available_cpus
from container.gpu import SWITCH
from container.processes import descendants
from container.train.checkpoints.checkpoint import has_checkpoint

_JOBS = 3
"""Jobs at the same time."""
_COMPARED = ("train_loss", "eval_loss", "eval_accuracy")


def run(options: Options, record: Record) -> None:
    if find_spec("sagemaker_training") is None:
        record.skip("interruption", "sagemaker-training, which starts jobs, is not installed here")
        return
    record.measure("interruption", lambda: _interruption(options))


def _interruption(options: Options) -> Mapping[str, object]:
    pictures = picture_folder(options.sizes.pictures, seed=0, directory=options.scratch, told=tell)
    killed = _Job(options, pictures, "killed")
    # Two, to see how far runs of the same job differ.
    uninterrupted = [_Job(options, pictures, name) for name in ("first", "second")[: 1 if options.quick else 2]]
    # At the same time, since speed does not matter here.
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(job.run) for job in uninterrupted]
        killed_in = killed.run_and_kill()
        resumed_at = killed.run()
        for each in waiting:
            each.result()
    if not resumed_at:
        raise RuntimeError("the killed job did not resume from its checkpoint")
    first, *second = (job.metrics() for job in uninterrupted)
    resumed = killed.metrics()
    found: dict[str, object] = {
        "killed_in_epoch": killed_in,
        "resumed_at": resumed_at,
        "epochs": len(first),
        "resumed_to_uninterrupted": _largest_differences(resumed, first),
        "last_epoch": {name: [run[-1][name] for run in (first, *second, resumed)] for name in _COMPARED},
    }
    if second:
        found["uninterrupted_to_uninterrupted"] = _largest_differences(second[0], first)
    return found


class _Job:
    """A job with its directory, laid out as /opt/ml."""

    def __init__(self, options: Options, pictures: Path, name: str) -> None:
        self._base = options.scratch / "jobs" / name
        (self._base / "input" / "config").mkdir(parents=True)
        (self._base / "input" / "data").mkdir()
        (self._base / "checkpoints").mkdir()
        (self._base / "input" / "data" / "train").symlink_to(pictures)
        (self._base / "input" / "config" / "hyperparameters.json").write_text(json.dumps(options.sizes.job))
        self._killed_from = int(options.sizes.job["epochs"]) // 2
        self._environment = os.environ | {
            "SAGEMAKER_BASE_DIR": str(self._base),
            SWITCH: str(options.on_gpu).lower(),
            "OMP_NUM_THREADS": str(max(1, available_cpus() // _JOBS)),
        }

    def run(self) -> str:
        """Run the job to its end; returns where it resumed from, if it did.

        Raises:
            RuntimeError: It failed.
        """
        process = self._start()
        log, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"the job {self._base.name} exited with {process.returncode}: {log[-500:]}")
        found = re.search(r"resuming from (.*)", log)
        return found[1] if found else ""

    def run_and_kill(self) -> int:
        """Run the job into its second half until it has written a checkpoint, and kill it; returns the epoch.

        Raises:
            RuntimeError: It exited before that.
        """
        process = self._start()
        lines = []
        for line in process.stdout or ():
            lines.append(line)
            if (epoch := _epoch(line)) >= self._killed_from and has_checkpoint(self._base / "checkpoints"):
                for pid in [*descendants(process.pid), process.pid]:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.communicate()
                return epoch
        raise RuntimeError(f"the job {self._base.name} exited with {process.wait()}: {''.join(lines)[-500:]}")

    def metrics(self) -> list[dict[str, float]]:
        """Read the metrics of each epoch."""
        text = (self._base / "output" / "data" / "metrics.jsonl").read_text()
        return [record for record in map(json.loads, text.splitlines()) if "epoch" in record]

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "container.train.launcher"],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def _epoch(line: str) -> int:
    """Read the epoch in a line of the training loss; 0 for other lines."""
    found = re.match(r"Train Epoch: (\d+) ", line)
    return int(found[1]) if found else 0


def _largest_differences(some: list[dict[str, float]], others: list[dict[str, float]]) -> dict[str, float]:
    """Compute the largest differences over all epochs; accuracies in percentage points."""
    return {
        name: round(max(abs(one[name] - other[name]) for one, other in zip(some, others, strict=True)), 5)
        for name in _COMPARED
    }
