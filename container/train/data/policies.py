"""TrivialAugment and RandAugment: operations drawn at random for one picture.

The geometric ones become part of the affine map that crops the picture, so they cost nothing and resample it only once;
the others are Pillow's, which both papers used.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageOps

from container.jpeg import Pixels

Map = npt.NDArray[np.float64]
"""An affine map of positions, (3, 3)."""

_LARGEST_MAGNITUDE = 30  # magnitudes are whole numbers from 0, as in both papers
_SIDE = 224  # pixels: the side of the pictures for which TrivialAugment's translation is published


@dataclass(frozen=True)
class Operation:
    """One operation on a square picture, and its strength."""

    name: str
    strength: float
    """In a unit of the operation's own."""

    def origin(self, side: int) -> Map | None:
        """Return the map from pixels of the result to where they come from; None if the operation is not geometric.

        Args:
            side: Side of the picture, pixels.
        """
        if self.name not in _GEOMETRY:
            return None
        origin = _GEOMETRY[self.name](self.strength, side)
        # The map is one of positions, and the first pixel's centre is at a half.
        origin[:2, 2] += origin[:2, :2].sum(axis=1) / 2 - 0.5
        return origin


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The distribution that the operations of a picture are drawn from."""

    count: int
    """Operations for each picture."""
    magnitude: int | None
    """Magnitude of every operation, 0 to 30; None draws one for each."""
    strengths: Mapping[str, float]
    """Strength of each operation at the largest magnitude."""

    @classmethod
    def trivial(cls) -> Self:
        """Make TrivialAugment, with the wide space (arXiv:2103.10158, table 2)."""
        space = _space(shear=0.99, translation=32 / _SIDE, degrees=135, enhancement=0.99, bits=6)
        return cls(count=1, magnitude=None, strengths=space)

    @classmethod
    def rand(cls, magnitude: int) -> Self:
        """Make RandAugment with two operations (arXiv:1909.13719), with the space of torchvision's.

        Args:
            magnitude: 0 to 30.
        """
        space = _space(shear=0.3, translation=150 / 331, degrees=30, enhancement=0.9, bits=4)
        return cls(count=2, magnitude=magnitude, strengths=space)

    def draw(self, random: Random) -> tuple[Operation, ...]:
        """Draw the operations of one picture, in their order."""
        return tuple(self._draw_one(random) for _ in range(self.count))

    def _draw_one(self, random: Random) -> Operation:
        name, largest = random.choice([*self.strengths.items()])
        magnitude = random.randint(0, _LARGEST_MAGNITUDE) if self.magnitude is None else self.magnitude
        strength = largest * magnitude / _LARGEST_MAGNITUDE
        return Operation(name, -strength if name in _SIGNED and random.random() < 0.5 else strength)


def recolor(pixels: Pixels, operations: tuple[Operation, ...]) -> Pixels:
    """Apply the operations that change colors; returns the same array if there are none."""
    changes = [(_COLORS[each.name], each.strength) for each in operations if each.name in _COLORS]
    if not changes:
        return pixels
    picture = Image.fromarray(pixels)
    for change, strength in changes:
        picture = change(picture, strength)
    return np.array(picture)


def _space(*, shear: float, translation: float, degrees: float, enhancement: float, bits: float) -> dict[str, float]:
    """Give the strengths at the largest magnitude.

    Args:
        shear: Pixels to the side for each pixel down, or down for each to the side.
        translation: Fraction of the picture's side.
        degrees: Rotation about the centre.
        enhancement: Color, contrast, brightness and sharpness are multiplied by up to 1 +- this.
        bits: How many of each level's eight are cleared.
    """
    return {
        **dict.fromkeys(("identity", "autocontrast", "equalize"), 0.0),
        **dict.fromkeys(("shear-x", "shear-y"), shear),
        **dict.fromkeys(("translate-x", "translate-y"), translation),
        "rotate": math.radians(degrees),
        **dict.fromkeys(_ENHANCERS, enhancement),
        "posterize": bits,
        "solarize": 1.0,
    }


def _rotation(angle: float, side: int) -> Map:
    cos, sin, middle = math.cos(angle), math.sin(angle), side / 2
    return np.array([[cos, -sin, middle * (1 - cos + sin)], [sin, cos, middle * (1 - cos - sin)], [0, 0, 1]])


def _enhance(enhancer: Any) -> Callable[[Image.Image, float], Image.Image]:
    return lambda picture, strength: enhancer(picture).enhance(1 + strength)


_GEOMETRY: Mapping[str, Callable[[float, int], Map]] = {
    "shear-x": lambda shear, _: np.array([[1, shear, 0], [0, 1, 0], [0, 0, 1]]),
    "shear-y": lambda shear, _: np.array([[1, 0, 0], [shear, 1, 0], [0, 0, 1]]),
    "translate-x": lambda part, side: np.array([[1, 0, -part * side], [0, 1, 0], [0, 0, 1]]),
    "translate-y": lambda part, side: np.array([[1, 0, 0], [0, 1, -part * side], [0, 0, 1]]),
    "rotate": _rotation,
}
_ENHANCERS = {
    "brightness": ImageEnhance.Brightness,
    "color": ImageEnhance.Color,
    "contrast": ImageEnhance.Contrast,
    "sharpness": ImageEnhance.Sharpness,
}
_COLORS: Mapping[str, Callable[[Image.Image, float], Image.Image]] = {
    **{name: _enhance(enhancer) for name, enhancer in _ENHANCERS.items()},
    "posterize": lambda picture, bits: ImageOps.posterize(picture, 8 - round(bits)),
    "solarize": lambda picture, part: ImageOps.solarize(picture, int(255 * (1 - part))),
    "autocontrast": lambda picture, _: ImageOps.autocontrast(picture),
    "equalize": lambda picture, _: ImageOps.equalize(picture),
}
_SIGNED = {*_GEOMETRY, *_ENHANCERS}
