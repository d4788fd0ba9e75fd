"""Chooses and reads the pictures with which an export is checked and quantised."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from container.contract.errors import PictureError
from container.picture import read_picture
from container.preprocessing import Preprocessing


@dataclass(frozen=True)
class Pictures:
    """Real pictures, in random order, the classes in turn."""

    squares: npt.NDArray[np.uint8]
    """The network's input, shape (N, size, size, 3)."""
    targets: npt.NDArray[np.int64]
    """Class indices, shape (N,)."""


def read_pictures(samples: Sequence[tuple[Path, int]], preprocessing: Preprocessing, most: int) -> Pictures:
    """Choose pictures at random, equally many of each class as far as there are, and read them as serving would.

    One that cannot be read is left out.

    Args:
        samples: Files, and their class indices.
        preprocessing: The model's.
        most: How many to choose.
    """
    squares, targets = [], []
    for path, target in _in_turn(samples)[:most]:
        try:
            picture = read_picture(path, shrink_to=preprocessing.shrink_to, flatten=False)
        except PictureError:
            continue
        squares.append(preprocessing.to_array(picture))
        targets.append(target)
    size = preprocessing.size
    return Pictures(np.array(squares, np.uint8).reshape(-1, size, size, 3), np.array(targets, np.int64))


def _in_turn(samples: Sequence[tuple[Path, int]]) -> list[tuple[Path, int]]:
    draw = random.Random(0)  # noqa: S311 - no secret
    by_class: dict[int, list[tuple[Path, int]]] = {}
    for sample in draw.sample(samples, len(samples)):
        by_class.setdefault(sample[1], []).append(sample)
    rounds = max(map(len, by_class.values()), default=0)
    return [each[turn] for turn in range(rounds) for each in by_class.values() if turn < len(each)]
