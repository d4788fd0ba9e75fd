"""Generates a folder of JPEG files to train on, like photographs in size and decoding cost."""

import colorsys
import math
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from container.cpus import available_cpus

MOST_CLASSES = 20
_FEWEST_OF_A_CLASS = 2
_IMBALANCE = 8.0  # the largest class's pictures over the smallest's
_SMALLEST = (500, 400)  # pixels; the largest picture is twice as wide and high
_QUALITY = 90
_TEXTURE_SIDE = 1024  # pixels; above the largest picture's
# In levels of 255; makes files as large as photographs of their size: 145 KB on average.
_TEXTURE_STRENGTH = 11.5
_TINT = 0.25
_RECIPE = 1  # part of the folder's name: increase it when any of this changes

Pixels = npt.NDArray[np.float32]


def picture_folder(count: int, *, seed: int, directory: Path | None, told: Callable[[str], None]) -> Path:
    """Generate an ImageFolder of pictures, or reuse an existing one.

    Classes differ in hue and texture direction, and in size by up to a factor of eight. Pictures have 500 x 400 to
    1000 x 800 pixels, quality 90 and 4:2:0: 145 KB on average.

    Args:
        count: Number of pictures, at least four.
        seed: The same seed makes the same pictures.
        directory: Where the folder is kept; None for the system's temporary directory.
        told: Receives progress, as lines.
    """
    kept = directory or Path(tempfile.gettempdir())
    folder = kept / f"slipway-bench-pictures-{_RECIPE}-{count}-{seed}"
    if folder.is_dir():
        return folder
    kept.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=kept))
    try:
        _fill(unfinished, count, seed, told)
        unfinished.rename(folder)
    except OSError:
        if not folder.is_dir():  # another run may have made it meanwhile
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def class_sizes(count: int) -> list[int]:
    """Distribute at least four pictures over classes, the largest first."""
    classes = max(2, min(MOST_CLASSES, count // (2 * _FEWEST_OF_A_CLASS)))
    weights = [_IMBALANCE ** (-index / (classes - 1)) for index in range(classes)]
    spare = count - _FEWEST_OF_A_CLASS * classes
    sizes = [_FEWEST_OF_A_CLASS + math.floor(spare * weight / sum(weights)) for weight in weights]
    sizes[0] += count - sum(sizes)
    return sizes


def _fill(folder: Path, count: int, seed: int, told: Callable[[str], None]) -> None:
    photographs = _photographs()
    sizes = class_sizes(count)
    done = 0
    # NumPy and Pillow release the GIL.
    with ThreadPoolExecutor(available_cpus()) as pool:
        for index, size in enumerate(sizes):
            look = _Look.of_class(index, len(sizes), seed)
            of_class = folder / f"{index:02}"
            of_class.mkdir()

            def write(number: int, look: _Look = look, of_class: Path = of_class) -> None:
                picture = look.picture(photographs[number % len(photographs)], number)
                picture.save(of_class / f"{number:05}.jpg", quality=_QUALITY, subsampling="4:2:0")

            list(pool.map(write, range(size)))
            done += size
            told(f"made {done} of {count} pictures")
    folder.chmod(0o755)  # mkdtemp makes it private


def _photographs() -> list[Image.Image]:
    """Open the two photographs that scikit-learn comes with, without importing it, which takes seconds."""
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("scikit-learn, whose photographs are used, is not installed")
    folder = Path(package.origin).parent / "datasets" / "images"
    return [Image.open(folder / name).convert("RGB") for name in ("china.jpg", "flower.jpg")]


@dataclass(frozen=True, kw_only=True)
class _Look:
    """The common features of a class's pictures."""

    seed: tuple[int, int]
    texture: Pixels
    tint: Pixels

    @classmethod
    def of_class(cls, index: int, classes: int, seed: int) -> Self:
        return cls(
            seed=(seed, index),
            texture=_texture(np.random.default_rng((seed, index)), angle=math.pi * index / classes),
            tint=np.array(colorsys.hsv_to_rgb(index / classes, 0.8, 1.0), dtype=np.float32) * 255,
        )

    def picture(self, photograph: Image.Image, number: int) -> Image.Image:
        """Enlarge a part of the photograph, and add the class's tint and a part of its texture."""
        generator = np.random.default_rng((*self.seed, number))
        scale = generator.uniform(1, 2)
        width, height = (round(side * scale) for side in _SMALLEST)
        cut_width, cut_height = (side * generator.uniform(0.5, 1) for side in photograph.size)
        left = generator.uniform(0, photograph.width - cut_width)
        top = generator.uniform(0, photograph.height - cut_height)
        box = (left, top, left + cut_width, top + cut_height)
        enlarged = photograph.resize((width, height), Image.Resampling.BICUBIC, box=box)
        row, column = (int(generator.integers(_TEXTURE_SIDE - side + 1)) for side in (height, width))
        pixels = np.asarray(enlarged, dtype=np.float32) * (1 - _TINT) + self.tint * _TINT
        pixels += _TEXTURE_STRENGTH * self.texture[row : row + height, column : column + width, None]
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _texture(generator: np.random.Generator, *, angle: float) -> Pixels:
    """Make 1/f noise of mean 0 and deviation 1, stretched in one direction."""
    across = np.fft.fftfreq(_TEXTURE_SIDE)[:, None]
    along = np.fft.rfftfreq(_TEXTURE_SIDE)[None, :]
    turned = math.cos(angle) * along + math.sin(angle) * across
    frequency = np.hypot(turned, 3 * (math.cos(angle) * across - math.sin(angle) * along))
    frequency[0, 0] = math.inf
    noise = generator.standard_normal((_TEXTURE_SIDE, _TEXTURE_SIDE))
    texture = np.fft.irfft2(np.fft.rfft2(noise) / frequency, s=noise.shape)
    scaled: Pixels = (texture / texture.std()).astype(np.float32)
    return scaled
