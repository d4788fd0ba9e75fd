"""The result of an evaluation."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Evaluation:
    """The result of evaluating a model on one split."""

    loss: float
    """Sum of the pictures' (weighted) losses over the number of pictures, as the seed project computes it."""
    confusion: torch.Tensor
    """int64 (classes, classes): rows are true classes, columns predicted ones."""

    @property
    def total(self) -> int:
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        return int(self.confusion.diagonal().sum())

    @property
    def accuracy(self) -> float:
        """Percent."""
        return 100 * self.correct / self.total
