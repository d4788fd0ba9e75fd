"""What the tests of the commands share beside fixtures."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

Slipway = Callable[..., subprocess.CompletedProcess[str]]

SMALL = (
    "--model-type", "test_resnet", "--weights", "none", "--image-size", "32", "--batch-size", "8", "--export", "false",
)  # fmt: skip
"""The quickest job: of a network of timm's for tests, whose model has 1.5 MB."""

EPOCHS = 4
"""Of the job that `trained` is: so many that the classes are told apart, in bf16 too."""


@dataclass(frozen=True)
class Trained:
    """A job that ran through the real launcher, and what the command printed."""

    directory: Path
    done: subprocess.CompletedProcess[str]

    @property
    def archive(self) -> Path:
        return self.directory / "output" / "model.tar.gz"


def descendants(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """All processes that a running one has started."""
    return psutil.Process(process.pid).children(recursive=True)


def still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended; one that only waits to be reaped has."""
    return [process for process in processes if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
