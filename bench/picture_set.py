"""Selects the pictures to train on, so that every side of a comparison has the same list."""

import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from container.train.data.channels import Sample, list_splits


@dataclass(frozen=True, kw_only=True)
class PictureSet:
    """Pictures of an ImageFolder."""

    folder: Path
    class_count: int
    samples: Sequence[Sample]

    @classmethod
    def of_folder(cls, folder: Path) -> Self:
        """List all pictures of a folder.

        Raises:
            DataError: It is not an ImageFolder with two classes or more.
        """
        with tempfile.TemporaryDirectory(prefix="slipway-bench-") as channels:
            (Path(channels) / "train").symlink_to(folder.resolve())
            listed = list_splits(Path(channels))
            samples = [Sample(sample.path.resolve(), sample.target) for sample in listed.train]
        return cls(folder=folder, class_count=len(listed.classes), samples=samples)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def mean_bytes(self) -> float:
        """Mean size of a file."""
        return sum(sample.path.stat().st_size for sample in self.samples) / len(self)

    @property
    def class_weights(self) -> list[float]:
        """`balanced` weights, as in the training program and the seed project; an empty class counts as one picture."""
        counts = Counter(sample.target for sample in self.samples)
        return [len(self) / (self.class_count * max(1, counts[index])) for index in range(self.class_count)]

    def split(self, count: int, seed: int) -> tuple[Self, Self]:
        """Split off `count` pictures; returns them and the others, each shuffled by the seed."""
        mixed = random.Random(seed).sample(self.samples, len(self))  # noqa: S311 - no secret
        return replace(self, samples=mixed[:count]), replace(self, samples=mixed[count:])
