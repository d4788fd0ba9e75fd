"""How long a side takes to learn."""

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
    """Where training ended."""

    accuracy: float
    """From 0 to 1, on pictures that were held out."""
    epochs: int
    seconds: float
    """Of training alone: both sides are evaluated by the same code, which is not counted."""
    reached: bool
    """Whether the accuracy is what was asked for."""


def learn(
    side: Learner, accuracy_of: Callable[[nn.Module], float], *, accuracy: float, epochs: int, pictures: int
) -> Learnt:
    """Train until the accuracy is reached, or to the last epoch.

    Args:
        side: Has not learnt anything yet.
        accuracy_of: A network's.
        accuracy: To be reached, from 0 to 1.
        epochs: The most.
        pictures: Of an epoch.
    """
    seconds = found = 0.0
    epoch = 0
    while epoch < epochs and found < accuracy:
        seconds += side.epoch() * pictures
        found = accuracy_of(side.model)
        epoch += 1
    return Learnt(accuracy=found, epochs=epoch, seconds=seconds, reached=found >= accuracy)
