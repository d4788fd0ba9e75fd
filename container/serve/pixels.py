"""From a request's picture to the network's input square."""

import numpy as np
from PIL import Image

from container.jpeg import decode_jpeg
from container.picture import read_picture
from container.preprocessing import Preprocessing
from container.serve.decode import Pixels


def square(item: bytes | Pixels, preprocessing: Preprocessing, max_pixels: int) -> Pixels:
    """Bring a picture, or an array of pixels (height, width, 3), to the network's input: (size, size, 3).

    Raises:
        PictureError: The picture cannot be decoded or is too large.
    """
    if isinstance(item, bytes):
        least = preprocessing.shrink_to
        read = decode_jpeg(item, lambda width, height: (least or width, least or height), max_pixels, exact=True)
        if read is not None:
            return preprocessing.to_array(Image.fromarray(read.pixels))
        return preprocessing.to_array(read_picture(item, shrink_to=preprocessing.shrink_to, max_pixels=max_pixels))
    return preprocessing.to_array(Image.fromarray(np.ascontiguousarray(item)))
