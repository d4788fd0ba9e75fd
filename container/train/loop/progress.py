"""How far a job has come; all of it is in every checkpoint."""

import math
from dataclasses import dataclass, field
from typing import Any

from container.networks.state_dict import StateDict


@dataclass
class Progress:
    """How far a job has come; all of it is in every checkpoint."""

    epoch: int = 1
    """The running epoch, counted from 1."""
    step: int = 0
    """Steps of the running epoch already done."""
    best_epoch: int = 0
    """0 until the first evaluation."""
    best_loss: float = math.inf
    epochs_without_improvement: int = 0
    losses: list[float] = field(default_factory=list)
    """Logged batch losses of the running epoch."""
    train_s: float = 0.0
    """Seconds of the running epoch's steps so far, those before an interruption included."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """A record for each finished epoch, as in metrics.jsonl."""
    best_tensors: StateDict | None = None
    """The best epoch's state dict on the CPU: the model directory does not outlive a lost host."""

    weights: dict[str, str] = field(default_factory=dict)
    """The pretrained weights that the job began with, as in `ModelCard.weights`."""

    planned_epochs: int = 0
    """The last epoch, which a budget may have chosen or lowered."""

    def next_epoch(self) -> None:
        self.epoch, self.step, self.losses, self.train_s = self.epoch + 1, 0, [], 0.0
