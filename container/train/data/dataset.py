"""Datasets for training and evaluation: uint8 pictures on the CPU, normalized later on the device."""

import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from container.contract.errors import DataError, PictureError
from container.folder import printable
from container.jpeg import Pixels, Read
from container.picture import read_picture
from container.preprocessing import IMAGENET_MEAN, Interpolation, Preprocessing
from container.train.data.augmentation import Variation, augmentation_of, draw, vary
from container.train.data.channels import Sample
from container.train.data.erasing import erase
from container.train.data.order import Key
from container.train.data.picture_cache import PictureCache
from container.train.data.reading import read_pixels
from container.train.data.training_sizes import TrainingSizes

logger = logging.getLogger(__name__)

Item = tuple[torch.Tensor, int]
"""uint8 (size, size, 3) and the class index."""
Prepare = Callable[[Path], Read]
"""Reads a picture in the form that is cached."""

# At three times the input's side a crop of a ninth of the area still has a pixel for each input pixel; the smallest
# crop drawn has a twelfth.
_KEPT = 3
_REPLACEMENTS = 20


def prepare_to_vary(size: int) -> Prepare:
    """Read what `TrainPictures` augments: the whole picture, its shorter side at most three times the input's."""

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
    """Read the square that the model sees, exactly as serving does."""

    def prepare(path: Path) -> Read:
        picture = read_picture(path, shrink_to=preprocessing.shrink_to, flatten=False)
        return Read(pixels=preprocessing.to_array(picture), width=picture.width, height=picture.height)

    return prepare


def prepare_training(augmentation: str, size: int, interpolation: Interpolation = "bilinear") -> Prepare:
    """Read as the hyperparameter needs it; without augmentation a training picture is its centre square."""
    if augmentation == "none":
        return prepare_as_served(Preprocessing(size=size, short_side=size, interpolation=interpolation))
    return prepare_to_vary(size)


class TrainPictures(Dataset[Item]):
    """Augmented pictures by (epoch, index). Augmentation depends on these and the seed alone, so neither the number of
    DataLoader workers nor a restart changes it.

    Args:
        samples: The training split.
        augmentation: The hyperparameter.
        size: Side of the model's input, pixels.
        seed: The hyperparameter.
        cache: The cached pictures, by index; with None only files are read, and small crops at full sharpness.
        bad_images: What to do about a picture that can no longer be read: `skip` replaces it by the next one of its
            class, `fail` ends the job.
        interpolation: As in `Preprocessing`, for pictures without augmentation.
        rand_magnitude: The hyperparameter.
        random_erasing: The hyperparameter: the probability.
        mean: Red, green and blue, 0 to 1, that normalize to zero; erased parts have them.
        sizes: The side of the pictures by epoch; None: always `size`, which they never exceed.
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
        interpolation: Interpolation = "bilinear",
        rand_magnitude: int = 0,
        random_erasing: float = 0.0,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        sizes: TrainingSizes | None = None,
    ) -> None:
        self.samples = samples
        self.augmentation = augmentation_of(augmentation, rand_magnitude)
        self.prepare = prepare_training(augmentation, size, interpolation)
        self.sizes = sizes or TrainingSizes(full=size)
        self.seed = seed
        self.cache = cache
        self.bad_images = bad_images
        self.random_erasing = random_erasing
        self.fill = (round(255 * mean[0]), round(255 * mean[1]), round(255 * mean[2]))
        self._lost: set[int] = set()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> Item:
        epoch, index = key
        random = Random(hash((self.seed, epoch, index)))  # noqa: S311 - no secret
        size = self.sizes.at(epoch)
        item = self._item(index, random, size)
        if item is not None:
            return item
        for other in self._others_of_its_class(index):
            item = self._item(other, random, size)
            if item is not None:
                return item
        raise DataError(
            f"the picture {printable(self.samples[index].path)} and others of its class were there when the job began "
            "and can no longer be read; keep the channel unchanged while a job runs"
        )

    def _item(self, index: int, random: Random, size: int) -> Item | None:
        if index in self._lost:
            return None
        try:
            pixels = self._read(index, random, size)
        except PictureError as error:
            self._lose(index, error)
            return None
        if self.random_erasing:
            erase(pixels, random, self.random_erasing, self.fill)
        return torch.from_numpy(pixels), self.samples[index].target

    def _read(self, index: int, random: Random, size: int) -> Pixels:
        path = self.samples[index].path
        # With a cache, pictures that it had no room for are prepared alike: their number depends on the machine, and
        # results must not.
        kept = self.cache.read(index) or self.prepare(path) if self.cache is not None else None
        chosen = self.augmentation
        if chosen is None:
            square = (kept or self.prepare(path)).pixels
            if len(square) == size:
                return square.copy()
            return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
        if kept:
            return vary(kept.pixels, draw(chosen, random, kept.width, kept.height), (kept.width, kept.height), size)
        drawn: list[Variation] = []

        def enough(width: int, height: int) -> tuple[float, float]:
            drawn.append(draw(chosen, random, width, height))
            return drawn[0].enough(width, height, size)

        read = read_pixels(path, enough)
        variation = drawn[0] if drawn else draw(chosen, random, read.width, read.height)
        return vary(read.pixels, variation, (read.width, read.height), size)

    def _others_of_its_class(self, index: int) -> Iterator[int]:
        count, target = len(self.samples), self.samples[index].target
        after = (other % count for other in range(index + 1, index + count))
        return itertools.islice((other for other in after if self.samples[other].target == target), _REPLACEMENTS)

    def _lose(self, index: int, error: PictureError) -> None:
        if self.bad_images == "fail":
            raise DataError(
                f"{error}, although it could be when the job began, and bad-images is fail. Keep the channel unchanged "
                "while a job runs, or set bad-images to skip"
            ) from error
        self._lost.add(index)
        logger.warning("%s, although it could be when the job began: another picture of its class replaces it", error)


class EvaluationPictures(Dataset[Item | None]):
    """Pictures as serving sees them; None for one that can no longer be read.

    Args:
        samples: The part of a split that this process evaluates.
        preprocessing: The model's.
        cache: The cached pictures of the whole split.
        indices: The samples' indices in the cache; their positions by default.
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
            logger.warning("%s, although it could be when the job began: the evaluation omits it", error)
            return None
        return torch.from_numpy(np.array(pixels)), sample.target
