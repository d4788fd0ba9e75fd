"""Augmentation: one affine map and one table of grey levels, drawn for each picture and epoch.

Statistically the same as torchvision's transforms one after the other (RandomHorizontalFlip, RandomRotation,
RandomResizedCrop, ColorJitter), but in one pass over the visible pixels.
"""

import math
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from container.jpeg import Pixels
from container.train.data.policies import Operation, Policy, recolor

cv2.setNumThreads(0)  # each DataLoader worker uses one thread
_GREY = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as Pillow weighs them
_LEVELS = np.arange(256, dtype=np.float32)
_FEWER = 4  # every fourth pixel and row are enough for the mean
_TRIES = 10  # to draw a crop that fits, as in torchvision


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The distributions that a variation is drawn from."""

    flip: float
    """Probability of mirroring."""
    degrees: float
    """Largest rotation about the centre, either way."""
    area: tuple[float, float]
    """Area of a crop, as a fraction of the whole."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Aspect ratio of a crop, width to height."""
    light: float = 0.2
    """Brightness and contrast are multiplied by up to 1 +- this."""
    policy: Policy | None = None
    """Operations applied to the crop."""


_CROPPED = Augmentation(flip=0.5, degrees=0, area=(0.08, 1), light=0)
AUGMENTATIONS = {
    "default": Augmentation(flip=0.5, degrees=15, area=(0.08, 1)),
    "light": Augmentation(flip=0, degrees=10, area=(0.7, 1)),
    "trivial": replace(_CROPPED, policy=Policy.trivial()),
}
"""Augmentations by the value of the hyperparameter; `rand` has a magnitude beside."""


def augmentation_of(name: str, rand_magnitude: int) -> Augmentation | None:
    """Return the augmentation that the hyperparameters name; None for `none`, which changes nothing."""
    if name == "rand":
        return replace(_CROPPED, policy=Policy.rand(rand_magnitude))
    return AUGMENTATIONS.get(name)


@dataclass(frozen=True, kw_only=True)
class Variation:
    """What was drawn for one picture; positions and lengths in pixels of the picture in its file."""

    mirrored: bool
    angle: float
    """Radians, counter-clockwise."""
    left: float
    top: float
    width: float
    height: float
    brightness: float
    contrast: float
    brightness_first: bool
    operations: tuple[Operation, ...] = ()
    """Applied to the crop, in this order."""

    def enough(self, whole_width: int, whole_height: int, size: int) -> tuple[float, float]:
        """Width and height of the whole picture at which the crop is still `size` pixels wide and high."""
        return whole_width * size / self.width, whole_height * size / self.height

    def matrix(self, whole_width: int, whole_height: int, scale: tuple[float, float], size: int) -> npt.NDArray[Any]:
        """The affine map (2, 3) from positions in the result to positions in the picture shrunk by `scale`."""
        step_x, step_y = self.width / size, self.height / size
        # The centre of the result's first pixel, relative to the picture's centre, about which it is rotated.
        x = self.left + (step_x - whole_width) / 2
        y = self.top + (step_y - whole_height) / 2
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        to_x, to_y = -scale[0] if self.mirrored else scale[0], scale[1]
        return np.array(
            [
                [
                    to_x * cos * step_x,
                    -to_x * sin * step_y,
                    to_x * (cos * x - sin * y) + scale[0] * whole_width / 2 - 0.5,
                ],
                [to_y * sin * step_x, to_y * cos * step_y, to_y * (sin * x + cos * y) + to_y * whole_height / 2 - 0.5],
            ]
        )


def draw(augmentation: Augmentation, random: Random, width: int, height: int) -> Variation:
    """Draw a variation for a picture of this size."""
    mirrored = random.random() < augmentation.flip
    angle = math.radians(random.uniform(-augmentation.degrees, augmentation.degrees))
    left, top, crop_width, crop_height = _draw_crop(augmentation, random, width, height)
    return Variation(
        mirrored=mirrored,
        angle=angle,
        left=left,
        top=top,
        width=crop_width,
        height=crop_height,
        brightness=1 + random.uniform(-augmentation.light, augmentation.light),
        contrast=1 + random.uniform(-augmentation.light, augmentation.light),
        brightness_first=random.random() < 0.5,
        operations=augmentation.policy.draw(random) if augmentation.policy else (),
    )


def _draw_crop(
    augmentation: Augmentation, random: Random, width: int, height: int
) -> tuple[float, float, float, float]:
    """Draw a crop: left, top, width and height."""
    low, high = map(math.log, augmentation.ratio)
    for _ in range(_TRIES):
        area = width * height * random.uniform(*augmentation.area)
        ratio = math.exp(random.uniform(low, high))
        wide, tall = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if wide <= width and tall <= height:
            return (width - wide) * random.random(), (height - tall) * random.random(), wide, tall
    # A picture much wider or higher than any crop: take its middle.
    wide, tall = min(width, height * augmentation.ratio[1]), min(height, width / augmentation.ratio[0])
    return (width - wide) / 2, (height - tall) / 2, wide, tall


def vary(pixels: Pixels, variation: Variation, whole: tuple[int, int], size: int) -> Pixels:
    """Apply a variation; returns uint8 (size, size, 3).

    Args:
        pixels: The picture, possibly shrunk.
        variation: Drawn for its size in the file.
        whole: Width and height in the file.
        size: Side of the result, pixels.
    """
    height, width = pixels.shape[:2]
    scale_x, scale_y = width / whole[0], height / whole[1]
    # The map interpolates between four pixels: where it would skip others, the picture is downsampled first.
    times = int(min(variation.width * scale_x, variation.height * scale_y) / size)
    if times >= 2:
        wide, tall = width // times, height // times
        pixels = cv2.resize(pixels[: tall * times, : wide * times], (wide, tall), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        scale_x, scale_y = scale_x / times, scale_y / times
    matrix = variation.matrix(*whole, (scale_x, scale_y), size)
    for operation in variation.operations:
        origin = operation.origin(size)
        matrix = matrix if origin is None else matrix @ origin
    # Positions outside the picture, which a rotation exposes, are black.
    warped: Any = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    if variation.brightness != 1 or variation.contrast != 1:
        fewer: Any = cv2.resize(warped, (-(-size // _FEWER),) * 2, interpolation=cv2.INTER_NEAREST)
        warped = cv2.LUT(warped, _light(fewer, variation))
    return recolor(warped, variation.operations)


def _light(some: Pixels, variation: Variation) -> Pixels:
    """Make the lookup table of levels: brightness scales towards black, contrast towards the mean grey."""
    if variation.brightness_first:
        levels = _LEVELS * variation.brightness
        brightened: Any = cv2.LUT(some, _rounded(levels))
        grey = _mean_grey(brightened)
        levels = levels.clip(0, 255) * variation.contrast + grey * (1 - variation.contrast)
    else:
        levels = _LEVELS * variation.contrast + _mean_grey(some) * (1 - variation.contrast)
        levels = levels.clip(0, 255) * variation.brightness
    return _rounded(levels)


def _rounded(levels: npt.NDArray[Any]) -> Pixels:
    return (levels + 0.5).clip(0, 255).astype(np.uint8)


def _mean_grey(pixels: Pixels) -> float:
    red, green, blue, _ = cv2.mean(pixels)
    return _GREY[0] * red + _GREY[1] * green + _GREY[2] * blue
