"""Composites transparent pictures over white."""

import math

from PIL import Image

Box = tuple[float, float, float, float]


def over_white(picture: Image.Image) -> Image.Image:
    """Composite an RGBA picture over white, as RGB."""
    flat = Image.new("RGB", picture.size, "white")
    flat.paste(picture, mask=picture)
    return flat


def resize_over_white(
    picture: Image.Image, size: tuple[int, int], box: Box, resample: Image.Resampling = Image.Resampling.BILINEAR
) -> Image.Image:
    """Composite an RGBA picture over white and resize a part of it, without a full-size copy.

    The result equals resizing `over_white(picture)`, up to rounding: only strips of the picture are composited.

    Args:
        picture: RGBA.
        size: Width and height of the result.
        box: Left, top, right and bottom of the part, in the picture's pixels.
        resample: BILINEAR or BICUBIC.
    """
    width, height = size
    left, top, right, bottom = box
    scale = (bottom - top) / height
    support = 2 if resample == Image.Resampling.BICUBIC else 1
    reach = support * max(1, scale) + 1  # the filter's, and a pixel for rounding
    rows = max(1, height // 32)
    resized = Image.new("RGB", size)
    for row in range(0, height, rows):
        end = min(row + rows, height)
        upper, lower = top + row * scale, min(bottom, top + end * scale)
        first, last = max(0, math.floor(upper - reach)), min(picture.height, math.ceil(lower + reach))
        strip = over_white(picture.crop((0, first, picture.width, last)))
        part = (left, upper - first, right, lower - first)
        resized.paste(strip.resize((width, end - row), resample, box=part), (0, row))
    return resized
