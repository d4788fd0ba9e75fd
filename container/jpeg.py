"""Decoding a JPEG no larger than it will be seen, on several threads at once: Pillow holds Python's lock meanwhile.

Whatever is out of the ordinary is left to Pillow (picture.py).
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from container.picture import exif_turn

Pixels = npt.NDArray[np.uint8]
"""RGB, (height, width, 3)."""

Enough = Callable[[int, int], tuple[float, float]]
"""Given width and height in the file, upright, says what width and height of the whole picture suffice."""

LYING = (Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90)
"""Turns that exchange width and height."""

_START = b"\xff\xd8\xff"
_EXIF = b"Exif\x00\x00"
_HEAD = 1 << 16  # bytes within which EXIF's block begins
_SCALES = (8, 4, 2)
"""Divisors of the size at which decoding costs less: those between cost more than the whole."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """A picture, perhaps shrunk."""

    pixels: Pixels
    width: int
    """In the file, upright."""
    height: int


def decode_jpeg(data: bytes, enough: Enough, max_pixels: int, *, exact: bool) -> Read | None:
    """Decode one JPEG to RGB, upright.

    Args:
        data: The file.
        enough: It is decoded at 1/2, 1/4 or 1/8 of its size where that still leaves so much.
        max_pixels: Width times height above which it is left to Pillow.
        exact: The same pixels as Pillow's; else a few grey levels apart, and faster.

    Returns:
        None for what is no JPEG, damaged, too large, or of more than three colours: `read_picture` knows what to do, or
        to say.
    """
    if not data.startswith(_START):
        return None
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
        if colors not in ("YCbCr", "Gray", "RGB") or width * height > max_pixels:
            return None
        turn = exif_turn(Image.open(io.BytesIO(data))) if _EXIF in data[:_HEAD] else None
        if turn in LYING:
            least_height, least_width = enough(height, width)
        else:
            least_width, least_height = enough(width, height)
        least = {}
        for divisor in _SCALES:
            if width >= divisor * least_width and height >= divisor * least_height:
                least = {"min_width": -(-width // divisor), "min_height": -(-height // divisor)}
                break
        pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=not exact, fastupsample=not exact, **least)
    except (ValueError, OSError):
        return None
    if turn is not None:
        pixels = np.asarray(Image.fromarray(pixels).transpose(turn))
    if turn in LYING:
        width, height = height, width
    return Read(pixels=pixels, width=width, height=height)
