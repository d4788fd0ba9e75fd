"""Pictures as training and evaluation see them: uint8 on the CPU, normalised later on the device."""

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from container.errors import DataError, PictureError
from container.jpeg import Pixels, Read
from container.picture import read_picture
from container.preprocessing import Preprocessing
from container.train.augmentation import RECIPES, Variation, draw, vary
from container.train.channels import Sample
from container.train.order import Key
from container.train.picture_cache import PictureCache
from container.train.reading import read_pixels

logger = logging.getLogger(__name__)

Item = tuple[torch.Tensor, int]
"""uint8 (size, size, 3) and the class index."""
Prepare = Callable[[Path], Read]
"""What of a picture is worth keeping."""

# A crop of a ninth of the area still has a pixel for each of the input; the smallest that is drawn has a twelfth.
_KEPT = 3
_STAND_INS = 20


def prepare_to_vary(size: int) -> Prepare:
    """What `TrainPictures` varies: the whole picture, its shorter side at most three times the input's."""

    def prepare(path: Path) -> Read:
        side = _KEPT * size
        read = read_pixels(
            path, lambda width, height: (max(side, side * width / height), max(side, side * height / width))
        )
        height, width = read.pixels.shape[:2]
        shrunk = side / min(width, height)
        if shrunk >= 1:
            return read
        kept = (max(side, round(width * shrunk)), max(side, round(height * shrunk)))
        pixels: Pixels = cv2.resize(read.pixels, kept, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        return Read(pixels=pixels, width=read.width, height=read.height)

    return prepare


def prepare_as_served(preprocessing: Preprocessing) -> Prepare:
    """The square that the network sees, exactly as serving has it."""

    def prepare(path: Path) -> Read:
        picture = read_picture(path, shrink_to=preprocessing.shrink_to)
        return Read(pixels=preprocessing.to_array(picture), width=picture.width, height=picture.height)

    return prepare


def prepare_training(augmentation: str, size: int) -> Prepare:
    """By the hyperparameter; without augmentation a training picture is its centre square."""
    if augmentation in RECIPES:
        return prepare_to_vary(size)
    return prepare_as_served(Preprocessing(size=size, short_side=size))


class TrainPictures(Dataset[Item]):
    """Augmented pictures by (epoch, index): augmentation is a function of both and the seed, so that readers and
    restarts change nothing.

    Args:
        samples: The training split.
        augmentation: The hyperparameter.
        size: Side of the network's input, pixels.
        seed: The hyperparameter.
        cache: What was kept of the samples, by index; None reads files only, and small crops in full sharpness.
        bad_images: What a picture does that cannot be read any more: `skip` has the next one of its class stand in for
            it, `fail` ends the job.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        augmentation: str,
        size: int,
        seed: int,
        *,
        cache: PictureCache | None = None,
        bad_images: str = "skip",
    ) -> None:
        self.samples = samples
        self.recipe = RECIPES.get(augmentation)
        self.prepare = prepare_training(augmentation, size)
        self.size = size
        self.seed = seed
        self.cache = cache
        self.bad_images = bad_images
        self._lost: set[int] = set()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> Item:
        epoch, index = key
        random = Random(hash((self.seed, epoch, index)))  # noqa: S311 - no secret
        item = self._item(index, random)
        if item is not None:
            return item
        for stand_in in self._others_of_its_class(index):
            item = self._item(stand_in, random)
            if item is not None:
                return item
        raise DataError(
            f"the picture {self.samples[index].path} and others of its class were there when the job began and cannot "
            "be read any more; keep the channel unchanged while a job runs"
        )

    def _item(self, index: int, random: Random) -> Item | None:
        if index in self._lost:
            return None
        try:
            return torch.from_numpy(self._read(index, random)), self.samples[index].target
        except PictureError as error:
            self._lose(index, error)
            return None

    def _read(self, index: int, random: Random) -> Pixels:
        path = self.samples[index].path
        # With a cache, also what it had no room for: how much that is depends on the machine, and results must not.
        kept = self.cache.read(index) or self.prepare(path) if self.cache is not None else None
        if not self.recipe:
            return (kept or self.prepare(path)).pixels.copy()
        recipe, size = self.recipe, self.size
        if kept:
            return vary(kept.pixels, draw(recipe, random, kept.width, kept.height), (kept.width, kept.height), size)
        drawn: list[Variation] = []

        def enough(width: int, height: int) -> tuple[float, float]:
            drawn.append(draw(recipe, random, width, height))
            return drawn[0].enough(width, height, size)

        read = read_pixels(path, enough)
        variation = drawn[0] if drawn else draw(recipe, random, read.width, read.height)
        return vary(read.pixels, variation, (read.width, read.height), size)

    def _others_of_its_class(self, index: int) -> Iterator[int]:
        count, target = len(self.samples), self.samples[index].target
        after = (other % count for other in range(index + 1, index + count))
        return itertools.islice((other for other in after if self.samples[other].target == target), _STAND_INS)

    def _lose(self, index: int, error: PictureError) -> None:
        if self.bad_images == "fail":
            raise DataError(
                f"{error}, though it could be when the job began, and bad-images is fail. Keep the channel unchanged "
                "while a job runs, or set bad-images to skip"
            ) from error
        self._lost.add(index)
        logger.warning("%s, though it could be when the job began: others of its class stand in for it", error)


class EvaluationPictures(Dataset[Item | None]):
    """Pictures as serving sees them; None for one that cannot be read any more.

    Args:
        samples: Those of a split that this process evaluates.
        preprocessing: The model's.
        cache: What was kept of the split.
        indices: Of the samples in the cache; their own where not given.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        preprocessing: Preprocessing,
        *,
        cache: PictureCache | None = None,
        indices: Sequence[int] | None = None,
    ) -> None:
        self.samples = samples
        self.prepare = prepare_as_served(preprocessing)
        self.cache = cache
        self.indices = range(len(samples)) if indices is None else indices

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item | None:
        sample = self.samples[index]
        kept = self.cache.read(self.indices[index]) if self.cache is not None else None
        try:
            pixels = (kept or self.prepare(sample.path)).pixels
        except PictureError as error:
            logger.warning("%s, though it could be when the job began: the evaluation is without it", error)
            return None
        return torch.from_numpy(np.array(pixels)), sample.target
