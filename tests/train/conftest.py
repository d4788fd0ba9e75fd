"""Training jobs as SageMaker describes them, run by the real launcher and toolkit."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

SMALL = {
    "model-type": "resnet18",
    "image-size": "32",
    "batch-size": "8",
    "epochs": "2",
    "opt-learning-rate": "0.001",
    "weights": "none",
    "num-workers": "0",
    "export": "false",
}
"""The quickest job."""

TINY = {**SMALL, "model-type": "test_resnet", "recipe": "seed"}
"""The quickest job on the smallest network, timm's test_resnet, for tests that write many checkpoints (6 MB each)."""

LAUNCHER = [sys.executable, "-m", "container.train.launcher"]


@dataclass(frozen=True)
class Result:
    code: int
    stdout: str
    stderr: str

    @property
    def log(self) -> str:
        return self.stdout + self.stderr


class JobDirectory:
    """A directory in the form of /opt/ml."""

    def __init__(self, base: Path) -> None:
        self.base = base
        (base / "input" / "config").mkdir(parents=True)
        (base / "input" / "data").mkdir(parents=True)
        self.environment: dict[str, str] = {}

    def channel(self, name: str, folder: Path) -> None:
        (self.base / "input" / "data" / name).symlink_to(folder)

    def hyperparameters(self, values: Mapping[str, object]) -> None:
        (self.base / "input" / "config" / "hyperparameters.json").write_text(json.dumps(values))

    def start(self, command: list[str] | None = None, umask: int = -1) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command or LAUNCHER,
            env={**os.environ, "SAGEMAKER_BASE_DIR": str(self.base), **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=umask,
        )

    def run(self, values: Mapping[str, object] | None = None) -> Result:
        if values is not None:
            self.hyperparameters(values)
        process = self.start()
        stdout, stderr = process.communicate()
        return Result(process.returncode, stdout, stderr)

    @property
    def failure(self) -> str:
        return (self.base / "output" / "failure").read_text()

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def data(self) -> Path:
        return self.base / "output" / "data"

    def metrics(self) -> list[dict[str, float]]:
        return [json.loads(line) for line in (self.data / "metrics.jsonl").read_text().splitlines()]

    def processes(self) -> list[psutil.Process]:
        """Processes of this job that still live: they carry its base directory in their environment."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("SAGEMAKER_BASE_DIR") == str(self.base):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found


@pytest.fixture
def job(tmp_path: Path) -> Iterator[JobDirectory]:
    directory = JobDirectory(tmp_path / "job")
    yield directory
    for process in directory.processes():
        process.kill()
