"""A job while it runs: what does not change of it, and how far it has come."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from container.model import StateDict
from container.preprocessing import Preprocessing
from container.train.behind import Behind
from container.train.channels import Splits
from container.train.debugger.session import Debugger
from container.train.device import Device
from container.train.distributed import World
from container.train.hyperparameters import TrainConfig
from container.train.picture_cache import PictureCache
from container.train.profiler.profiler import Profiler
from container.train.stopping import Stop
from container.train.watching import Watcher

# Hyperparameters that may change between an interruption and the restart: they do not change what was learnt.
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
    )
)


@dataclass
class Progress:
    """How far a job has come; all of it is in every checkpoint."""

    epoch: int = 1
    """Counted from 1; the one that is running."""
    step: int = 0
    """Steps of it already done."""
    best_epoch: int = 0
    """0 until the first evaluation."""
    best_loss: float = math.inf
    epochs_without_improvement: int = 0
    losses: list[float] = field(default_factory=list)
    """Of the batches of the running epoch that were logged."""
    train_s: float = 0.0
    """Seconds of the running epoch's steps so far, those before an interruption included."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """A record for each finished epoch, as in metrics.jsonl."""
    best_tensors: StateDict | None = None
    """The best epoch's state dict on the CPU: the model directory does not outlive a lost host."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What does not change while a job runs."""

    config: TrainConfig
    splits: Splits
    caches: Mapping[str, PictureCache]
    """By split."""
    preprocessing: Preprocessing
    device: Device
    checkpoints: Path
    stop: Stop
    world: World
    watchers: Sequence[Watcher]
    """None but in the first process."""
    profiler: Profiler
    debugger: Debugger
    behind: Behind
    """Writes models and checkpoints."""
    save_best: Callable[[StateDict, Progress], None]
    """Has the model directory written; called whenever the evaluation loss is the lowest so far, in the first
    process."""

    def class_weights(self) -> torch.Tensor | None:
        """`balanced` weights: pictures / (classes x pictures of the class), as scikit-learn's
        compute_class_weight has them."""
        if not self.config.class_weights:
            return None
        counts = torch.tensor(self.splits.class_counts(), dtype=torch.float32)
        return (counts.sum() / (len(counts) * counts)).to(self.device.torch_device)

    def fingerprint(self) -> dict[str, Any]:
        """What a checkpoint must agree with to be gone on from."""
        values = {name: value for name, value in self.config.to_strings().items() if name not in _MAY_CHANGE}
        values["cache"] = "off" if self.config.cache == "off" else "on"  # how much is kept changes nothing
        names = "\n".join(f"{sample.target} {sample.path.name}" for sample in self.splits.train)
        pictures = hashlib.sha256(names.encode()).hexdigest()[:16]
        return {**values, "classes": list(self.splits.classes), "training pictures": pictures}
