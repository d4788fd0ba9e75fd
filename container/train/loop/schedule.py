"""The learning rate over a job."""

import math
from typing import Any

import torch

from container.contract.hyperparameters import TrainConfig


class Schedule:
    """Sets the learning rate before each step: StepLR, or a cosine with warm-up.

    Args:
        optimizer: Its groups keep the proportions of their learning rates.
        config: The hyperparameters.
        steps: Steps of an epoch.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, config: TrainConfig, *, steps: int) -> None:
        self._optimizer = optimizer
        self._peaks = [group["lr"] for group in optimizer.param_groups]
        self._steps = steps
        self._warmup = min(config.warmup_epochs, config.epochs / 2) * steps
        self.epochs = config.epochs
        """Epochs until the cosine is at 0; a job that would exceed its budget lowers them."""
        self._by_epoch = None
        if config.lr_schedule == "step":
            self._by_epoch = torch.optim.lr_scheduler.StepLR(
                optimizer, config.lr_sched_step_size, config.lr_sched_gamma
            )

    @property
    def learning_rate(self) -> float:
        """The present one: the head's, where layers differ."""
        return float(max(group["lr"] for group in self._optimizer.param_groups))

    def before_step(self, step: int) -> None:
        """Set the learning rate of a step, counted from 0 over all epochs."""
        if self._by_epoch is None:
            factor = cosine_with_warmup(step, total=self.epochs * self._steps, warmup=self._warmup)
            for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
                group["lr"] = peak * factor

    def after_epoch(self) -> None:
        """Lower the learning rate if StepLR does after this epoch."""
        if self._by_epoch is not None:
            self._by_epoch.step()

    def state_dict(self) -> dict[str, Any]:
        """Return StepLR's state for a checkpoint; a cosine depends on the step alone."""
        return {} if self._by_epoch is None else self._by_epoch.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._by_epoch is not None:
            self._by_epoch.load_state_dict(state)


def cosine_with_warmup(step: int, *, total: int, warmup: float) -> float:
    """Compute the factor of the learning rate, from "SGDR: Stochastic Gradient Descent with Warm Restarts", without
    restarts: it rises linearly to 1 over the warm-up, and falls to 0 behind the last step.

    Args:
        step: Counted from 0.
        total: Steps of the job.
        warmup: Steps of the warm-up.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
