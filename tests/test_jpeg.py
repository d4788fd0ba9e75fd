"""JPEGs for a network's input: the same pixels as Pillow's, whatever the file is like."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from container.contract.errors import PictureError
from container.jpeg import decode_jpeg
from container.picture import read_picture
from container.preprocessing import Preprocessing
from container.serve.worker.pixels import square

LIMIT = 10**7


def file(width: int, height: int, mode: str = "RGB", **how: Any) -> bytes:
    coarse = np.random.default_rng(width).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    data = io.BytesIO()
    picture.save(data, "JPEG", **{"quality": 90, **how})
    return data.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize(
    "data",
    [
        file(500, 375), file(375, 500), file(1999, 1333), file(64, 64), file(17, 900), file(1, 1), file(725, 580),
        file(640, 480, subsampling=0), file(641, 481, subsampling=1), file(640, 480, progressive=True),
        file(640, 480, mode="L"), file(640, 480, mode="CMYK"), *(file(900, 600, exif=turned(n)) for n in range(1, 9)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("preprocessing", [Preprocessing(), Preprocessing(resize="squash"), Preprocessing.for_size(64)])
def test_the_square_is_that_of_pillow(data: bytes, preprocessing: Preprocessing) -> None:
    wanted = preprocessing.to_array(read_picture(data, shrink_to=preprocessing.shrink_to))
    assert (square(data, preprocessing, LIMIT) == wanted).all()


def test_it_is_decoded_no_larger_than_it_is_seen() -> None:
    read = decode_jpeg(file(1999, 1333), lambda _width, _height: (256, 256), LIMIT, exact=True)
    assert read is not None
    assert (read.pixels.shape, read.width, read.height) == ((334, 500, 3), 1999, 1333)


def test_a_file_that_lacks_only_its_end_marker_is_served_as_the_whole_one() -> None:
    data = file(640, 480)
    for cut in (1, 2):
        wanted = square(data, Preprocessing(resize="squash"), LIMIT)
        assert (square(data[:-cut], Preprocessing(resize="squash"), LIMIT) == wanted).all()


@pytest.mark.parametrize("cut", [3, 100, 700, -10])
def test_a_damaged_file_is_left_to_pillow_which_says_so(cut: int) -> None:
    data = file(640, 480)[:cut]
    assert decode_jpeg(data, lambda width, height: (width, height), LIMIT, exact=True) is None
    with pytest.raises(PictureError, match="cannot be decoded"):
        square(data, Preprocessing(), LIMIT)


def test_a_large_file_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(PictureError, match="640 x 480 pixels; at most 100,000"):
        square(file(640, 480, progressive=True), Preprocessing(), 10**5)
