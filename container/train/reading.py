"""Reading training pictures into pixels: a JPEG's decoder is let off what will not be seen.

What is read is what `read_picture` reads, a few grey levels apart; whatever is out of the ordinary is left to it.
"""

import io
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from container.errors import PictureError
from container.picture import FORMATS, MAX_PIXELS, exif_turn, read_picture

logger = logging.getLogger(__name__)

Pixels = npt.NDArray[np.uint8]
"""RGB, (height, width, 3)."""

Enough = Callable[[int, int], tuple[float, float]]
"""Given width and height in the file, upright, says what width and height of the whole picture suffice."""

_JPEG = b"\xff\xd8\xff"
_EXIF = b"Exif\x00\x00"
_HEAD = 1 << 16  # bytes within which EXIF's block begins
_LYING = (Image.Transpose.TRANSPOSE, Image.Transpose.ROTATE_270, Image.Transpose.TRANSVERSE, Image.Transpose.ROTATE_90)
_SCALES = (8, 4, 2)
"""Divisors of the size at which decoding costs less: those between cost more than the whole."""


@dataclass(frozen=True, kw_only=True)
class Read:
    """A picture, perhaps shrunk."""

    pixels: Pixels
    width: int
    """In the file, upright."""
    height: int


def read_pixels(path: Path, enough: Enough) -> Read:
    """Decode one picture, upright, as RGB.

    Args:
        path: The file.
        enough: A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that still leaves so much.

    Raises:
        PictureError: As `read_picture` has it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"the picture {path} cannot be opened: {error.strerror}") from error
    read = _decode(data, enough) if data.startswith(_JPEG) else None
    if read is not None:
        return read
    try:
        return _leave_to_pillow(data, enough)
    except PictureError as error:
        # Given no path, it names none.
        raise PictureError(str(error).replace("the picture", f"the picture {path}", 1)) from error


def _leave_to_pillow(data: bytes, enough: Enough) -> Read:
    size = shrink_to = None
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        width, height = size = image.size[::-1] if exif_turn(image) in _LYING else image.size
        scale = max(least / whole for least, whole in zip(enough(width, height), size, strict=True))
        shrink_to = math.ceil(min(size) * scale)
    except Exception:  # noqa: BLE001 - read_picture says it better
        logger.debug("a picture's header cannot be read")
    picture = read_picture(data, shrink_to=shrink_to)
    width, height = size or picture.size
    return Read(pixels=np.asarray(picture), width=width, height=height)


def _decode(data: bytes, enough: Enough) -> Read | None:
    """None for what is damaged, too large, or of more than three colours: read_picture knows what to do, or to say."""
    try:
        height, width, colors, _ = simplejpeg.decode_jpeg_header(data)
        if colors not in ("YCbCr", "Gray", "RGB") or width * height > MAX_PIXELS:
            return None
        turn = exif_turn(Image.open(io.BytesIO(data))) if _EXIF in data[:_HEAD] else None
        if turn in _LYING:
            least_height, least_width = enough(height, width)
        else:
            least_width, least_height = enough(width, height)
        least = {}
        for divisor in _SCALES:
            small_width, small_height = -(-width // divisor), -(-height // divisor)
            if small_width >= least_width and small_height >= least_height:
                least = {"min_width": small_width, "min_height": small_height}
                break
        pixels = simplejpeg.decode_jpeg(data, "RGB", fastdct=True, fastupsample=True, **least)
    except (ValueError, OSError):
        return None
    if turn is not None:
        pixels = np.asarray(Image.fromarray(pixels).transpose(turn))
    if turn in _LYING:
        width, height = height, width
    return Read(pixels=pixels, width=width, height=height)
