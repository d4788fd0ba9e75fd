"""Progressive resizing: training pictures that grow from epoch to epoch."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

from container.contract.hyperparameters import TrainConfig

_STEP = 32  # pixels: networks shrink pictures by this, so smaller sides are multiples of it
_MOST_STAGES = 4


@dataclass(frozen=True, kw_only=True)
class TrainingSizes:
    """The side of training pictures by epoch, in stages of equally many epochs; the last is at full size."""

    full: int
    """The last side, pixels."""
    start: float = 1.0
    """The first side as a fraction of the last."""
    epochs: int = 1

    @classmethod
    def of(cls, config: TrainConfig) -> Self:
        """Return a job's sizes."""
        return cls(full=config.image_size, start=config.progressive_sizes, epochs=config.epochs)

    @cached_property
    def stages(self) -> list[int]:
        """The side in each stage, pixels."""
        first = max(_STEP, int(self.start * self.full) // _STEP * _STEP)
        smaller = range(first, self.full, _STEP) if self.start < 1 else range(0)
        count = min(_MOST_STAGES - 1, self.epochs - 1, len(smaller))
        return [*(smaller[number * len(smaller) // count] for number in range(count)), self.full]

    def at(self, epoch: int) -> int:
        """Return the side in an epoch, which is counted from 1."""
        stages = self.stages
        return stages[min((epoch - 1) * len(stages) // self.epochs, len(stages) - 1)]

    def describe(self) -> str:
        """Say which side is used from which epoch on; empty if it is always the same."""
        stages = self.stages
        if len(stages) == 1:
            return ""
        first = [next(epoch for epoch in range(1, self.epochs + 1) if self.at(epoch) == side) for side in stages]
        return ", ".join(f"{side} pixels from epoch {epoch}" for side, epoch in zip(stages, first, strict=True))
