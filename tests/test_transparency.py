"""Transparent pictures lie on white: strips, composited while resizing, give what the whole picture does."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from container.picture import read_picture
from container.picture_limits import MAX_PIXELS
from container.preprocessing import Preprocessing
from container.serve.worker.pixels import square
from container.train.data.dataset import prepare_as_served
from container.transparency import over_white

RECIPES = (
    Preprocessing(),
    Preprocessing.for_size(32),
    Preprocessing(size=224, resize="squash"),
    Preprocessing(interpolation="bicubic"),
)


def noise(width: int, height: int, low: int = 0, high: int = 255) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(low, high, (height, width, 4), np.uint8, endpoint=True))


@pytest.mark.parametrize("preprocessing", RECIPES, ids=["224", "32", "squash", "bicubic"])
@pytest.mark.parametrize("size", [(1, 1), (3, 700), (224, 224), (257, 256), (1013, 641), (900, 40)])
def test_strips_give_what_the_whole_picture_gives(size: tuple[int, int], preprocessing: Preprocessing):
    # Pillow cuts off what a bicubic filter overshoots, along one axis before it comes to the other.
    picture = noise(*size) if preprocessing.interpolation == "bilinear" else noise(*size, low=150, high=200)
    expected = preprocessing.to_array(over_white(picture)).astype(int)
    most = 1 if preprocessing.interpolation == "bilinear" else 2  # whose weights' absolute values sum to more than 1
    assert abs(preprocessing.to_array(picture) - expected).max() <= most


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_training_and_serving_read_it_alike(mode: str, tmp_path: Path):
    path = tmp_path / "a.png"
    picture = noise(300, 400)
    (picture.quantize(64) if mode == "P" else picture.convert(mode)).save(path)
    served = square(path.read_bytes(), Preprocessing(), MAX_PIXELS)
    assert (prepare_as_served(Preprocessing())(path).pixels == served).all()
    assert abs(Preprocessing().to_array(read_picture(path)) - served.astype(int)).max() <= 1


def test_no_copy_of_the_whole_picture_is_made():
    program = (
        "import resource\nfrom PIL import Image\nfrom container.preprocessing import Preprocessing\n"
        "def used(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "Preprocessing().to_array(Image.new('RGBA', (300, 300)))\n"
        "picture = Image.new('RGBA', (4000, 3000), (9, 80, 200, 99))\n"
        "before = used(); Preprocessing().to_array(picture); print(used() - before)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert int(ran.stdout) < 12_000  # kB; the pixels are 48 MB
