"""Reads a request's picture into the network's input square, in this process."""

import numpy as np
from PIL import Image

from container.jpeg import decode_jpeg
from container.picture import read_picture
from container.preprocessing import Preprocessing
from container.serve.worker.request_body import Pixels


def square(item: bytes | Pixels, preprocessing: Preprocessing, max_pixels: int) -> Pixels:
    """Read a picture, or an array of pixels (height, width, 3), into the network's input: (size, size, 3).

    Raises:
        PictureError: The picture cannot be decoded or is too large.
    """
    done = quick_square(item, preprocessing, max_pixels)
    if done is None and isinstance(item, bytes):
        picture = read_picture(item, shrink_to=preprocessing.shrink_to, max_pixels=max_pixels, flatten=False)
        done = preprocessing.to_array(picture)
    assert done is not None
    return done


def quick_square(item: bytes | Pixels, preprocessing: Preprocessing, max_pixels: int) -> Pixels | None:
    """Do the same for an array or a JPEG; None for other formats, and for JPEGs that only `read_picture` can read."""
    if not isinstance(item, bytes):
        return preprocessing.to_array(Image.fromarray(np.ascontiguousarray(item)))
    least = preprocessing.shrink_to
    read = decode_jpeg(item, lambda width, height: (least or width, least or height), max_pixels, exact=True)
    return preprocessing.to_array(Image.fromarray(read.pixels)) if read else None
