"""The logits of an evaluation, kept on the device until its end."""

import numpy as np
import numpy.typing as npt
import torch

from container.train.launch.distributed import World

MOST_VALUES = 4_000_000
"""Most logits that are kept, 16 MB; of a larger split, every second picture or fewer."""


class Logits:
    """Observes an evaluation of one split.

    Args:
        pictures: Of the whole split.
        classes: Outputs of the network.
    """

    def __init__(self, pictures: int, classes: int) -> None:
        self._stride = max(1, -(-pictures * classes // MOST_VALUES))
        self._seen = 0
        self._classes = classes
        self._kept: list[tuple[torch.Tensor, torch.Tensor]] = []

    def observe(self, logits: torch.Tensor, targets: torch.Tensor) -> None:
        """Keep a batch: logits, float32 (N, classes), and targets, int64 (N,)."""
        first = -self._seen % self._stride
        self._seen += len(targets)
        self._kept.append((logits[first :: self._stride].clone(), targets[first :: self._stride].clone()))

    def gather(self, world: World) -> "tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]":
        """Return the logits (N, classes) and targets (N,) of all processes; all of them call this."""
        empty = (torch.zeros((0, self._classes)), torch.zeros(0, dtype=torch.int64))
        mine = tuple(torch.cat(part).cpu() for part in zip(*self._kept, strict=True)) if self._kept else empty
        logits, targets = (torch.cat(part) for part in zip(*world.gather(mine), strict=True))
        return logits.double().numpy(), targets.numpy()

    def places(self, world: World) -> "npt.NDArray[np.int64]":
        """Return the places in the split of what `gather` returns, (N,); all processes call this.

        They are right if every picture of the split was shown.
        """
        seen = torch.arange(0, self._seen, self._stride)
        return torch.cat(world.gather(seen * world.size + world.rank)).numpy()
