"""Everything about a job that does not change while it trains."""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from container.contract.hyperparameters import TrainConfig
from container.contract.paths import MlPaths
from container.preprocessing import Preprocessing
from container.train.checkpoints.background_writer import BackgroundWriter
from container.train.data.batch_memory import BatchMemory
from container.train.data.channels import Splits
from container.train.data.order import TrainOrder
from container.train.data.picture_cache import PictureCache
from container.train.debugger.session import Debugger
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.stopping import Stop
from container.train.loop.pretrained import Start
from container.train.loop.threads import Threads
from container.train.profiler.profiler import Profiler
from container.train.records.metrics_sinks import MetricsSink

# Hyperparameters that may change between an interruption and the restart: they do not change what is learnt.
_MAY_CHANGE = frozenset(
    (
        "epochs",
        "early-stopping-patience",
        "num-workers",
        "checkpoint-every",
        "checkpoint-minutes",
        "wandb",
        "debug",
        "profile",
        "use-cuda",
        "budget",
        "export",
        "int8",
    )
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything about a job that does not change while it trains."""

    name: str
    """The training job's name; empty outside SageMaker."""
    config: TrainConfig
    paths: MlPaths
    splits: Splits
    unreadable: int
    """Pictures that could not be read."""
    caches: Mapping[str, PictureCache]
    """Picture caches by split."""
    preprocessing: Preprocessing
    order: TrainOrder
    class_weights: torch.Tensor | None
    """float32 (classes,), on the device."""
    device: Device
    threads: Threads
    batch_memory: BatchMemory
    checkpoints: Path
    start: Start
    """The network's first weights, unless a checkpoint has later ones."""
    stop: Stop
    world: World
    sinks: Sequence[MetricsSink]
    """Empty except in the first process."""
    profiler: Profiler
    debugger: Debugger
    writer: BackgroundWriter
    """Writes models and checkpoints."""
    deadline: float
    """When training has to stop, on time.monotonic's clock; infinite without a budget."""

    def is_late(self) -> bool:
        """Whether training has to stop for the job to end within its budget."""
        return time.monotonic() >= self.deadline

    def fingerprint(self) -> dict[str, Any]:
        """What a checkpoint must agree with for the job to resume from it."""
        values = {name: value for name, value in self.config.to_strings().items() if name not in _MAY_CHANGE}
        if self.config.progressive_sizes < 1:
            values["epochs"] = str(self.config.epochs)  # the sizes depend on it
        values["cache"] = "off" if self.config.cache == "off" else "on"  # how much is kept changes nothing
        names = "\n".join(f"{sample.target} {sample.path.name}" for sample in self.splits.train)
        pictures = hashlib.sha256(os.fsencode(names)).hexdigest()[:16]
        return {**values, "classes": list(self.splits.classes), "training pictures": pictures}
