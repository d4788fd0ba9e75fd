"""Random erasing (arXiv:1708.04896), with torchvision's ranges."""

import math
from random import Random

from container.jpeg import Pixels

_AREA = (0.02, 0.33)  # of the picture
_RATIO = (0.3, 3.3)  # width to height
_TRIES = 10


def erase(pixels: Pixels, random: Random, probability: float, fill: tuple[int, int, int]) -> None:
    """Overwrite a random rectangle of a square picture, in place.

    Args:
        pixels: uint8 (size, size, 3).
        random: Drawn from.
        probability: Of erasing anything.
        fill: Red, green and blue of the rectangle.
    """
    if random.random() >= probability:
        return
    side = len(pixels)
    low, high = map(math.log, _RATIO)
    for _ in range(_TRIES):
        area = side * side * random.uniform(*_AREA)
        ratio = math.exp(random.uniform(low, high))
        width, height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if width < side and height < side:
            left, top = random.randint(0, side - width), random.randint(0, side - height)
            pixels[top : top + height, left : left + width] = fill
            return
