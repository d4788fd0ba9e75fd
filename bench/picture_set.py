"""Which pictures of a folder are trained on: the same list for every side of a comparison."""

import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from container.train.channels import Sample, list_splits


@dataclass(frozen=True, kw_only=True)
class PictureSet:
    """Pictures of an ImageFolder."""

    folder: Path
    class_count: int
    samples: Sequence[Sample]

    @classmethod
    def of_folder(cls, folder: Path) -> Self:
        """All of them.

        Raises:
            DataError: It is no ImageFolder with two classes or more.
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
        """Of a file."""
        return sum(sample.path.stat().st_size for sample in self.samples) / len(self)

    @property
    def class_weights(self) -> list[float]:
        """`balanced`, as the training program and the seed project have them; a class without pictures counts as one
        with one."""
        counts = Counter(sample.target for sample in self.samples)
        return [len(self) / (self.class_count * max(1, counts[index])) for index in range(self.class_count)]

    def split(self, count: int, seed: int) -> tuple[Self, Self]:
        """So many of them, and the others, both in an order given by the seed."""
        mixed = random.Random(seed).sample(self.samples, len(self))  # noqa: S311 - no secret
        return replace(self, samples=mixed[:count]), replace(self, samples=mixed[count:])
