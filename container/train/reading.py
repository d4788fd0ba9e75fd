"""Reading training pictures into pixels: a JPEG's decoder is let off what will not be seen.

What is read is what `read_picture` reads, a few grey levels apart; whatever is out of the ordinary is left to it.
"""

import io
import logging
import math
from pathlib import Path

import numpy as np
from PIL import Image

from container.errors import PictureError
from container.jpeg import LYING, Enough, Read, decode_jpeg
from container.picture import FORMATS, MAX_PIXELS, exif_turn, read_picture

logger = logging.getLogger(__name__)


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
    read = decode_jpeg(data, enough, MAX_PIXELS, exact=False)
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
        width, height = size = image.size[::-1] if exif_turn(image) in LYING else image.size
        scale = max(least / whole for least, whole in zip(enough(width, height), size, strict=True))
        shrink_to = math.ceil(min(size) * scale)
    except Exception:  # noqa: BLE001 - read_picture says it better
        logger.debug("a picture's header cannot be read")
    picture = read_picture(data, shrink_to=shrink_to)
    width, height = size or picture.size
    return Read(pixels=np.asarray(picture), width=width, height=height)
