"""How a training picture is varied: one affine map and one table of grey levels, drawn for each picture and epoch.

Statistically what torchvision's transforms do one after the other (RandomHorizontalFlip, RandomRotation,
RandomResizedCrop, ColorJitter), in one pass over the pixels that are seen.
"""

import math
from dataclasses import dataclass
from random import Random
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from container.jpeg import Pixels

cv2.setNumThreads(0)  # many processes read, each with one thread
_GREY = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601, as Pillow weighs them
_LEVELS = np.arange(256, dtype=np.float32)
_FEWER = 4  # each fourth pixel and row tell the mean well enough
_TRIES = 10  # of a crop that fits, as torchvision has it


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is drawn from."""

    flip: float
    """How often a picture is mirrored."""
    degrees: float
    """Of rotation about the centre, either way."""
    area: tuple[float, float]
    """Of a crop, as a part of the whole."""
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    """Width to height of a crop."""
    light: float = 0.2
    """Brightness and contrast are multiplied by 1 +- so much."""


RECIPES = {
    "default": Recipe(flip=0.5, degrees=15, area=(0.08, 1)),
    "light": Recipe(flip=0, degrees=10, area=(0.7, 1)),
}
"""By the hyperparameter's values; `none` varies nothing."""


@dataclass(frozen=True, kw_only=True)
class Variation:
    """What was drawn for one picture: positions and lengths are those of the picture in its file."""

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

    def enough(self, whole_width: int, whole_height: int, size: int) -> tuple[float, float]:
        """Width and height of the whole picture at which the crop still has `size` pixels a side."""
        return whole_width * size / self.width, whole_height * size / self.height

    def matrix(self, whole_width: int, whole_height: int, scale: tuple[float, float], size: int) -> npt.NDArray[Any]:
        """From positions in the result to those in pixels that are the picture's shrunk by `scale`, (2, 3)."""
        step_x, step_y = self.width / size, self.height / size
        # Of the centre of the result's first pixel, from the picture's centre, around which it is turned.
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


def draw(recipe: Recipe, random: Random, width: int, height: int) -> Variation:
    """Draw for a picture of so many pixels."""
    mirrored = random.random() < recipe.flip
    angle = math.radians(random.uniform(-recipe.degrees, recipe.degrees))
    left, top, crop_width, crop_height = _draw_crop(recipe, random, width, height)
    return Variation(
        mirrored=mirrored,
        angle=angle,
        left=left,
        top=top,
        width=crop_width,
        height=crop_height,
        brightness=1 + random.uniform(-recipe.light, recipe.light),
        contrast=1 + random.uniform(-recipe.light, recipe.light),
        brightness_first=random.random() < 0.5,
    )


def _draw_crop(recipe: Recipe, random: Random, width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, width and height."""
    low, high = map(math.log, recipe.ratio)
    for _ in range(_TRIES):
        area = width * height * random.uniform(*recipe.area)
        ratio = math.exp(random.uniform(low, high))
        wide, tall = math.sqrt(area * ratio), math.sqrt(area / ratio)
        if wide <= width and tall <= height:
            return (width - wide) * random.random(), (height - tall) * random.random(), wide, tall
    # A picture much wider or higher than any crop: the middle of it.
    wide, tall = min(width, height * recipe.ratio[1]), min(height, width / recipe.ratio[0])
    return (width - wide) / 2, (height - tall) / 2, wide, tall


def vary(pixels: Pixels, variation: Variation, whole: tuple[int, int], size: int) -> Pixels:
    """Apply what was drawn: uint8 (size, size, 3).

    Args:
        pixels: The picture, perhaps shrunk.
        variation: Drawn for its size in the file.
        whole: Width and height in the file.
        size: Side of the result.
    """
    height, width = pixels.shape[:2]
    scale_x, scale_y = width / whole[0], height / whole[1]
    # The map takes the mean of four pixels: where it would pass over others, these are put together first.
    times = int(min(variation.width * scale_x, variation.height * scale_y) / size)
    if times >= 2:
        wide, tall = width // times, height // times
        pixels = cv2.resize(pixels[: tall * times, : wide * times], (wide, tall), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        scale_x, scale_y = scale_x / times, scale_y / times
    matrix = variation.matrix(*whole, (scale_x, scale_y), size)
    # Positions outside the picture, which a rotation shows, are black.
    warped: Any = cv2.warpAffine(pixels, matrix, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    fewer: Any = cv2.resize(warped, (-(-size // _FEWER),) * 2, interpolation=cv2.INTER_NEAREST)
    varied: Any = cv2.LUT(warped, _light(fewer, variation))
    return varied  # type: ignore[no-any-return]  # OpenCV's annotations know no element types


def _light(some: Pixels, variation: Variation) -> Pixels:
    """What becomes of each level: brightness towards black, contrast towards the mean grey."""
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
