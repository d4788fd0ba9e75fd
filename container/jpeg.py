"""Decodes JPEGs at a reduced scale where that is enough, without holding the GIL as Pillow does.

Unusual files are left to Pillow (picture.py).
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
"""Maps a picture's upright width and height in the file to the width and height that suffice."""

SIDEWAYS = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
"""Turns that swap width and height."""

_START = b"\xff\xd8\xff"
_EXIF = b"Exif\x00\x00"
_HEAD = 1 << 16  # bytes within which the EXIF block begins
_SCALES = (8, 4, 2)
"""Divisors of the size that make decoding cheaper; those in between cost more than full size."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """A decoded picture, perhaps at a reduced scale."""

    pixels: Pixels
    width: int
    """Width of the picture in the file, upright."""
    height: int


def decode_jpeg(data: bytes, enough: Enough, max_pixels: int, *, exact: bool) -> Read | None:
    """Decode one JPEG to RGB, upright.

    Args:
        data: The file.
        enough: The file is decoded at 1/2, 1/4 or 1/8 of its size if that still gives as much.
        max_pixels: Width times height above which it is left to Pillow.
        exact: Give the same pixels as Pillow; otherwise a few grey levels apart, and faster.

    Returns:
        None if it is not a JPEG, is damaged, too large, or has more than three channels; `read_picture` then decodes
        it, or says what is wrong.
    """
    if not data.startswith(_START):
        return None
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
        if colors not in ("YCbCr", "Gray", "RGB") or width * height > max_pixels:
            return None
        turn = exif_turn(Image.open(io.BytesIO(data))) if _EXIF in data[:_HEAD] else None
        if turn in SIDEWAYS:
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
    if turn in SIDEWAYS:
        width, height = height, width
    return Read(pixels=pixels, width=width, height=height)
