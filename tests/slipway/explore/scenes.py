"""Pictures with the statistics of photographs: each a scene of its own, whose class is its colour."""

from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (200, 60, 50), "green": (60, 190, 70), "blue": (60, 80, 200)}
_LAYOUTS = {"red": 0, "green": 1, "blue": 2}


def scene(seed: int, label: str, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """Draw clouds of 1/f noise over the class's shading: from the left, from the top, or from the middle."""
    generator = np.random.default_rng((seed, _LAYOUTS[label]))
    width, height = size
    down, across = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    frequency = np.hypot(down, across)
    frequency[0, 0] = np.inf
    clouds = np.fft.irfft2(np.fft.rfft2(generator.standard_normal((height, width))) / frequency**1.2, s=(height, width))
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    shading = (x, y, np.hypot(x - 0.5, y - 0.5) * 1.5)[_LAYOUTS[label]]
    light = 0.25 + 0.75 * shading + 0.15 * clouds / clouds.std()
    return Image.fromarray((light[..., None] * COLOURS[label]).clip(0, 255).astype(np.uint8))


def scene_folder(root: Path, *, per_class: int) -> Path:
    """Write a train and a test split of scenes, a fourth of them test."""
    for label in COLOURS:
        for number in range(per_class):
            folder = root / ("test" if number % 4 == 3 and number > 4 else "train") / label
            folder.mkdir(parents=True, exist_ok=True)
            scene(number, label).save(folder / f"{number}.png")
    return root
