"""The order in which an epoch goes through the training pictures, and each process's share of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

Key = tuple[int, int]
"""Epoch and index."""


@dataclass(frozen=True, kw_only=True)
class TrainOrder:
    """Every picture once an epoch, in an order that seed and epoch give.

    There is no last batch that would leave a process a single picture: batch normalisation cannot learn from it.
    """

    count: int
    """Training pictures."""
    batch_size: int
    """Of all processes together."""
    seed: int
    rank: int = 0
    size: int = 1
    """Processes."""

    def steps(self) -> int:
        """Of an epoch."""
        return self.count // self.batch_size + (self.count % self.batch_size >= self._fewest())

    def whole(self, epoch: int) -> list[list[Key]]:
        """What all processes together train on in each step of an epoch, which is counted from 1."""
        generator = torch.Generator().manual_seed(hash((self.seed, epoch)))
        keys = [(epoch, index) for index in torch.randperm(self.count, generator=generator).tolist()]
        return [keys[step * self.batch_size : (step + 1) * self.batch_size] for step in range(self.steps())]

    def share(self, epoch: int) -> list[list[Key]]:
        """This process's part of each batch."""
        return [batch[self.rank :: self.size] for batch in self.whole(epoch)]

    def _fewest(self) -> int:
        return 1 if self.batch_size == 1 else 2 * self.size


def in_order(count: int, batch_size: int) -> list[Sequence[int]]:
    """Batches of an evaluation."""
    return [range(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]
