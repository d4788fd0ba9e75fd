"""The order in which an epoch goes through the training pictures, and each process's share of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

Key = tuple[int, int]
"""Epoch and index."""


@dataclass(frozen=True, kw_only=True)
class TrainOrder:
    """Every picture once an epoch, in an order determined by seed and epoch.

    A last batch that would leave a process a single picture is dropped: batch normalisation cannot learn from it.
    """

    count: int
    """Training pictures."""
    batch_size: int
    """The batch size of all processes together."""
    seed: int
    rank: int = 0
    size: int = 1
    """Number of processes."""

    def steps(self) -> int:
        """Number of steps of an epoch."""
        return self.count // self.batch_size + (self.count % self.batch_size >= self._fewest())

    def whole(self, epoch: int) -> list[list[Key]]:
        """The batch of all processes together for each step of an epoch, which is counted from 1."""
        generator = torch.Generator().manual_seed(hash((self.seed, epoch)))
        keys = [(epoch, index) for index in torch.randperm(self.count, generator=generator).tolist()]
        return [keys[step * self.batch_size : (step + 1) * self.batch_size] for step in range(self.steps())]

    def share(self, epoch: int) -> list[list[Key]]:
        """This process's part of each batch."""
        return [batch[self.rank :: self.size] for batch in self.whole(epoch)]

    def _fewest(self) -> int:
        return 1 if self.batch_size == 1 else 2 * self.size


def in_order(count: int, batch_size: int) -> list[Sequence[int]]:
    """The batches of an evaluation."""
    return [range(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]
