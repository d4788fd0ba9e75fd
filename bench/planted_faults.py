"""Plants near-duplicates and wrong labels in a copy of a data set."""

import io
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from container.cpus import available_cpus
from slipway.datasets.folder import find_splits
from slipway.explore.listing import list_split

COPIES, WRONG = 0.2, 0.05
"""Shares of the pictures that are copied, and that get a wrong label."""

_CLASSES = 10
SIZE, SMALL = (320, 240), (64, 48)
"""Pixels of a scene."""


def _recompressed(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    return Image.open(file).convert("RGB")


def _resized(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    return picture.resize((round(picture.width * 0.6), round(picture.height * 0.6)), Image.Resampling.BICUBIC)


def _cropped(picture: Image.Image, generator: np.random.Generator) -> Image.Image:
    width, height = round(picture.width * 0.9), round(picture.height * 0.9)
    left, top = (int(generator.integers(rest + 1)) for rest in (picture.width - width, picture.height - height))
    return picture.crop((left, top, left + width, top + height))


def _mirrored(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    return ImageOps.mirror(picture)


def _brightened(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(picture).enhance(1.3)


CHANGES: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "re-compressed": _recompressed,
    "resized": _resized,
    "cropped": _cropped,
    "mirrored": _mirrored,
    "brightened": _brightened,
}


@dataclass(frozen=True)
class Planted:
    """What was planted."""

    pictures: int
    copies: dict[frozenset[str], str]
    """The change, by the two files."""
    labels: set[str]
    """Files with a wrong label."""


def plant(source: Path, target: Path, seed: int) -> Planted:
    """Copy a data set of class folders into `target`, with faults; a changed copy lies in any split, as PNG."""
    generator = np.random.default_rng(seed)
    names: dict[str, str] = {}
    folders = find_splits(source) or {"": source}
    entries = [entry for split, folder in folders.items() for entry in list_split(split, folder, names).entries]
    classes = sorted({entry.label for entry in entries})
    wrong = set(generator.choice(len(entries), round(WRONG * len(entries)), replace=False).tolist())
    placed: list[Path] = []
    labels: set[str] = set()
    for number, entry in enumerate(entries):
        others = [name for name in classes if name != entry.label]
        label = str(generator.choice(others)) if number in wrong else entry.label
        file = target / entry.split / label / f"{number:06}{entry.path.suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(entry.path, file)
        placed.append(file)
        labels |= {str(file.relative_to(target))} if number in wrong else set()
    right = [number for number in range(len(entries)) if number not in wrong]
    copies: dict[frozenset[str], str] = {}
    for place, number in enumerate(generator.choice(right, round(COPIES * len(entries)), replace=False).tolist()):
        name = list(CHANGES)[place % len(CHANGES)]
        split = str(generator.choice(list(folders)))
        file = target / split / entries[number].label / f"copy-{number:06}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(placed[number]) as picture:
            CHANGES[name](picture.convert("RGB"), generator).save(file)
        copies[frozenset(str(path.relative_to(target)) for path in (placed[number], file))] = name
    return Planted(len(entries) + len(copies), copies, labels)


def write_scenes(folder: Path, count: int, size: tuple[int, int] = SIZE) -> None:
    """Write scenes of ten classes, as JPEGs: clouds of 1/f noise over the shading and colour of the class."""
    for label in range(_CLASSES):
        (folder / f"{label}").mkdir(parents=True)

    def write(number: int) -> None:
        _scene(number, number % _CLASSES, size).save(folder / f"{number % _CLASSES}" / f"{number:06}.jpg", quality=90)

    with ThreadPoolExecutor(available_cpus()) as pool:
        list(pool.map(write, range(count)))


def _scene(seed: int, label: int, size: tuple[int, int]) -> Image.Image:
    generator = np.random.default_rng(seed)
    width, height = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :])
    frequency[0, 0] = np.inf
    clouds = np.fft.irfft2(np.fft.rfft2(generator.standard_normal((height, width))) / frequency**1.2, s=(height, width))
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    # A class has a direction of its shading, and a colour.
    angle = np.pi * label / _CLASSES
    light = 0.55 + 0.3 * (np.cos(angle) * x + np.sin(angle) * y) + 0.1 * clouds / clouds.std()
    colour = 120 + 110 * np.cos(2 * np.pi * (label / _CLASSES + np.array([0, 1 / 3, 2 / 3])))
    return Image.fromarray((light[..., None] * colour).clip(0, 255).astype(np.uint8))
