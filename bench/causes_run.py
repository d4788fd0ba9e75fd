"""The jobs of bench.causes: their plants, and their run in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from bench.neighbour import BUSY, running
from container.cpus import CGROUP
from container.report.analyses import Finding, analyse
from container.report.profile_reading import read_profile

ROOT = Path(__file__).parents[1]
_QUOTA = 0.5
_SETTINGS = {
    "model-type": "resnet18",
    "weights": "none",
    "image-size": "64",
    "batch-size": "32",
    "epochs": "1",
    "num-workers": "0",
    "export": "false",
    "cache": "off",
    "augmentation": "none",
    "calibrate": "false",
}
_PICTURES_PER_S = 160
"""More than a job trains on in a second."""
_DISK_BYTES = 512 << 20
_TAKER = """
import sys, time
kept = []
for _ in range(int(sys.argv[1])):
    kept.append(bytearray(b"1" * (64 << 20)))
    time.sleep(float(sys.argv[2]))
time.sleep(3600)
"""


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A cause that is planted, by the rule that must name it."""

    rule: str
    remedy: Mapping[str, str] | None = None
    """Settings that follow the advice; None: the cause is taken away."""
    settings: Mapping[str, str] | None = None
    """Settings with which it slows the job."""


CAUSES: Mapping[str, Cause] = {
    "busy neighbour": Cause(rule="OtherPrograms"),
    "cpu quota": Cause(rule="CPUQuota"),
    "memory taken": Cause(rule="HostMemory"),
    "slow disk": Cause(rule="IOBottleneck"),
    "slow reader": Cause(rule="Dataloader", remedy={"num-workers": "2"}),
    "small batch": Cause(rule="BatchSize", settings={"batch-size": "2"}, remedy={"batch-size": "4"}),
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job, what slows it, and what was done about that."""

    plants: tuple[str, ...]
    remedies: tuple[str, ...] = ()

    def without(self, plant: str) -> "Job":
        """The job once the advice about one of its plants is followed."""
        if CAUSES[plant].remedy is not None:
            return replace(self, remedies=(*self.remedies, plant))
        return replace(self, plants=tuple(each for each in self.plants if each != plant))

    @property
    def settings(self) -> dict[str, str]:
        found = dict(_SETTINGS)
        for plant in self.plants:
            found |= CAUSES[plant].settings or {}
        for plant in self.remedies:
            found |= CAUSES[plant].remedy or {}
        return found


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a job left."""

    pictures_a_second: float
    findings: Sequence[Finding]
    """Those that fired, in the report's order."""


def run_job(scratch: Path, job: Job, seconds: float) -> Run:
    """Run a job for some seconds of training, and read its profile.

    Raises:
        RuntimeError: The job failed.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as base, contextlib.ExitStack() as stack:
        directory = Path(base)
        for folder in ("input/config", "input/data"):
            (directory / folder).mkdir(parents=True)
        (directory / "input/data/train").symlink_to(_pictures(scratch, round(seconds * _PICTURES_PER_S)))
        (directory / "input/config/hyperparameters.json").write_text(json.dumps(job.settings))
        if "slow disk" in job.plants:
            (directory / "disk").symlink_to(_disk(scratch))
        quota = make_quota(_QUOTA) if "cpu quota" in job.plants else None
        stack.enter_context(_beside(job, seconds))
        command = [sys.executable, "-m", "bench.causes_job", base, str(seconds)]
        command += [plant for plant in job.plants if plant in ("slow disk", "slow reader")]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "SLIPWAY_BENCH_CGROUP": str(quota or "")},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{' and '.join(job.plants)}: the job failed: {done.stderr[-2000:]}")
        profile = read_profile(directory / "output" / "data" / "profile")
    steps = profile.steps[0].usual
    return Run(
        pictures_a_second=float(steps.pictures.sum()) / steps.total_s,
        findings=[finding for finding in analyse(profile) if finding.fired],
    )


@contextlib.contextmanager
def _beside(job: Job, seconds: float) -> Iterator[None]:
    """Run the other programs that are planted."""
    commands: list[Sequence[str]] = []
    if "busy neighbour" in job.plants:
        commands += [BUSY] * len(os.sched_getaffinity(0))
    if "memory taken" in job.plants:
        blocks = _free_bytes() * 0.8 / (64 << 20)
        commands.append([sys.executable, "-c", _TAKER, str(int(blocks)), str(seconds / blocks)])
    with contextlib.ExitStack() as stack:
        for command in commands:
            stack.enter_context(running(command))
        yield


def make_quota(cpus: float, root: Path = CGROUP) -> Path | None:
    """Make a cgroup that may use so many CPUs; None where that is not allowed."""
    version_1 = root / "cpu" / "slipway-bench"
    version_2 = root / "slipway-bench"
    made = version_1 if (root / "cpu" / "cpu.cfs_quota_us").exists() else version_2
    try:
        made.mkdir(exist_ok=True)
        if made is version_1:
            (made / "cpu.cfs_period_us").write_text("100000")
            (made / "cpu.cfs_quota_us").write_text(str(int(cpus * 100_000)))
        else:
            (made / "cpu.max").write_text(f"{int(cpus * 100_000)} 100000")
    except OSError:
        return None
    return made


def _free_bytes() -> int:
    from container.memory import available_memory

    return available_memory()


def _pictures(scratch: Path, count: int) -> Path:
    folder = scratch / "pictures"
    if not folder.exists():
        random = np.random.default_rng(0)
        for name in ("dark", "light"):
            (folder / name).mkdir(parents=True)
            for index in range(count // 2):
                coarse = random.integers(0, 255, (12, 16, 3), dtype=np.uint8)
                Image.fromarray(coarse).resize((160, 120)).save(folder / name / f"{index}.jpg", quality=90)
    return folder


def _disk(scratch: Path) -> Path:
    file = scratch / "disk"
    if not file.exists():
        block = os.urandom(1 << 20)
        with file.open("wb") as target:
            for _ in range(_DISK_BYTES >> 20):
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
    return file
