"""The facts of a job in profile.json, beside the times."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from container.train.device import PRECISIONS, Device


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts that are known before training begins."""

    job: str
    """The training job's name; empty if it has none."""
    device: Device
    cpus: int
    """CPUs that a process may use."""
    batch_size: int
    """Pictures per step, over all processes."""
    pictures: Mapping[str, int]
    """Number of pictures by split."""
    step_seconds: Mapping[int, float]
    """Seconds of a step by the pictures of one process in it, timed before training; may be empty."""
    settings: Mapping[str, str]
    """Hyperparameters by their names."""
    versions: Mapping[str, str]
    """Versions of Python and of the packages that matter."""

    def to_json(self) -> dict[str, Any]:
        gpus = []
        if self.device.is_cuda:
            found = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
            gpus = [{"name": gpu.name, "memory_bytes": gpu.total_memory} for gpu in found]
        precision = PRECISIONS[self.device.amp_dtype]
        return {
            "job": self.job,
            "device": self.device.torch_device.type,
            "device_name": gpus[0]["name"] if gpus else _cpu_name(),
            "gpus": gpus,
            "precision": precision,
            "cpus": self.cpus,
            "workers": self.device.workers,
            "batch_size": self.batch_size,
            "pictures": dict(self.pictures),
            "step_seconds": {str(pictures): round(seconds, 6) for pictures, seconds in self.step_seconds.items()},
            "settings": dict(self.settings),
            "versions": dict(self.versions),
        }


def _cpu_name(file: Path = Path("/proc/cpuinfo")) -> str:
    try:
        lines = file.read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
