"""Decode training pictures; JPEGs at a reduced scale where that is enough.

The result differs from that of `read_picture` by a few grey levels; anything out of the ordinary is left to it.
"""

import logging
import math
from pathlib import Path

import numpy as np

from container.contract.errors import PictureError
from container.folder import printable
from container.jpeg import SIDEWAYS, Enough, Read, decode_jpeg
from container.picture import exif_turn, open_picture, read_picture
from container.picture_limits import MAX_PIXELS

logger = logging.getLogger(__name__)


def read_pixels(path: Path, enough: Enough) -> Read:
    """Decode one picture, upright, as RGB.

    Args:
        path: The file.
        enough: The width and height needed, for a given size: a JPEG is decoded at 1/2, 1/4 or 1/8 of its size if that
            still leaves as much.

    Raises:
        PictureError: As from `read_picture`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PictureError(f"the picture {printable(path)} cannot be opened: {error.strerror}") from error
    read = decode_jpeg(data, enough, MAX_PIXELS, exact=False)
    if read is not None:
        return read
    try:
        return _leave_to_pillow(data, enough)
    except PictureError as error:
        # `read_picture`, given bytes, cannot name the path.
        raise PictureError(str(error).replace("the picture", f"the picture {printable(path)}", 1)) from error


def _leave_to_pillow(data: bytes, enough: Enough) -> Read:
    size = shrink_to = None
    try:
        image = open_picture(data)
        width, height = size = image.size[::-1] if exif_turn(image) in SIDEWAYS else image.size
        scale = max(least / whole for least, whole in zip(enough(width, height), size, strict=True))
        shrink_to = math.ceil(min(size) * scale)
    except Exception:  # noqa: BLE001 - read_picture says it better
        logger.debug("a picture's header cannot be read")
    picture = read_picture(data, shrink_to=shrink_to)
    width, height = size or picture.size
    return Read(pixels=np.asarray(picture), width=width, height=height)
