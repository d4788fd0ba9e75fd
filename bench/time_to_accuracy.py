"""Measures how long a side takes to reach an accuracy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import nn


class Learner(Protocol):
    """A network in training."""

    model: nn.Module

    def epoch(self) -> float:
        """Train; returns seconds a picture."""


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """The result of training."""

    accuracy: float
    """Accuracy from 0 to 1, on held-out pictures."""
    epochs: int
    seconds: float
    """Training time, without evaluation, which is the same for both sides."""
    reached: bool
    """Whether the requested accuracy was reached."""


def learn(
    side: Learner, accuracy_of: Callable[[nn.Module], float], *, accuracy: float, epochs: int, pictures: int
) -> Learnt:
    """Train until the accuracy is reached, or to the last epoch.

    Args:
        side: Not trained yet.
        accuracy_of: Evaluates a network.
        accuracy: Target, from 0 to 1.
        epochs: Most epochs.
        pictures: Number in an epoch.
    """
    seconds = found = 0.0
    epoch = 0
    while epoch < epochs and found < accuracy:
        seconds += side.epoch() * pictures
        found = accuracy_of(side.model)
        epoch += 1
    return Learnt(accuracy=found, epochs=epoch, seconds=seconds, reached=found >= accuracy)
