"""Mixup (arXiv:1710.09412) and CutMix (arXiv:1905.04899): each picture of a batch is mixed with the one before it.

Batches are in random order, so the partner is a random one; it is always of the same process's share. Because every
picture is a partner once, the class weights of a batch add up to the same as without mixing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import torch

Criterion = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Maps logits (N, classes) and class indices (N,) to a loss that is linear in the classes' shares, as cross-entropy."""

_PARTNER = 1  # places before


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How one batch is mixed."""

    share: float
    """What each picture keeps of itself and its class, 0 to 1."""
    box: tuple[int, int, int, int] | None = None
    """The part that comes from the partner: top, bottom, left, right in pixels; None blends the whole pictures."""

    def pictures(self, batch: torch.Tensor) -> torch.Tensor:
        """Mix normalised pictures (N, 3, size, size) in place, and return them."""
        if self.box is not None:
            top, bottom, left, right = self.box
            part = batch[:, :, top:bottom, left:right]
            part.copy_(part.roll(_PARTNER, 0))
        elif self.share < 1:
            rows = batch.permute(0, 2, 3, 1)  # as they are in memory: rolling would change the memory format
            rows.lerp_(rows.roll(_PARTNER, 0), 1 - self.share)
        return batch

    def loss(self, criterion: Criterion, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Compute the loss against both classes of each picture, by their shares.

        It equals cross-entropy with soft targets, with class weights and label smoothing too: both are linear in the
        targets.

        Args:
            criterion: The loss without mixing.
            logits: (N, classes).
            targets: The pictures' own classes, int64 (N,).
        """
        own = criterion(logits, targets)
        if self.share == 1:
            return own
        return self.share * own + (1 - self.share) * criterion(logits, targets.roll(_PARTNER))

    def main_classes(self, targets: torch.Tensor) -> torch.Tensor:
        """Return the class with the larger share in each mixed picture, int64 (N,)."""
        return targets if self.share >= 0.5 else targets.roll(_PARTNER)


NOT_MIXED = Mix(share=1)


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """Draws how each batch is mixed, by seed, epoch, step and process alone: a resumed job mixes as before."""

    mixup: float
    """Alpha of mixup; 0 is off."""
    cutmix: float
    """Alpha of CutMix; 0 is off. With both, each takes half of the batches."""
    seed: int
    rank: int = 0

    def draw(self, epoch: int, step: int, size: int) -> Mix:
        """Draw for a batch.

        Args:
            epoch: Counted from 1.
            step: Number within the epoch, from 1.
            size: Side of the pictures, pixels.
        """
        random = Random(hash((self.seed, epoch, step, self.rank)))  # noqa: S311 - no secret
        kinds = [kind for kind in ("mixup", "cutmix") if getattr(self, kind)]
        if not kinds:
            return NOT_MIXED
        kind = random.choice(kinds)
        alpha: float = getattr(self, kind)
        share = random.betavariate(alpha, alpha)
        return Mix(share=share) if kind == "mixup" else _draw_box(random, share, size)


def _draw_box(random: Random, share: float, size: int) -> Mix:
    """Draw a box around a random centre. What lies beyond the picture's edge is cut off, so the share may grow."""
    half = size * math.sqrt(1 - share) / 2
    (top, bottom), (left, right) = (
        (max(0, round(centre - half)), min(size, round(centre + half)))
        for centre in (random.uniform(0, size), random.uniform(0, size))
    )
    area = (bottom - top) * (right - left)
    return Mix(share=1 - area / size**2, box=(top, bottom, left, right))
