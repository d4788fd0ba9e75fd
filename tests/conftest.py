"""Folders of pictures that tests train and serve on."""

import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeFolder = Callable[..., Path]


def picture(name: str, color: tuple[int, int, int], size: int = 40) -> Image.Image:
    """A noisy square of one colour: classes of different colours are learnt in a few steps."""
    noise = np.random.default_rng(zlib.crc32(name.encode())).integers(-40, 40, (size, size, 3))
    return Image.fromarray((np.array(color) + noise).clip(0, 255).astype(np.uint8))


COLORS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200), "grey": (128, 128, 128)}


def write_image_folder(directory: Path, counts: Mapping[str, int]) -> Path:
    """Write `counts` pictures of each class, as <class>/<number>.png."""
    for index, (name, count) in enumerate(counts.items()):
        (directory / name).mkdir(parents=True)
        color = COLORS.get(name) or list(COLORS.values())[index % len(COLORS)]
        for number in range(count):
            file = directory / name / f"{number:03d}.png"
            picture(f"{directory.name}/{name}/{number}", color).save(file)
    return directory


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """`image_folder("train", red=8, blue=8)` writes an ImageFolder below the test's directory."""
    return lambda name, **counts: write_image_folder(tmp_path / "data" / name, counts)
