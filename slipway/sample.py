"""The sample data: scikit-learn's scans of handwritten digits as an ImageFolder with an imbalanced train split."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from container.full_disk import is_disk_full
from slipway.errors import SampleError

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

SEED = 20
SIDE = 64
"""Side of the pictures in pixels; the original 8 x 8 scans are too small to see."""

VALIDATION_SHARE = 0.15
TEST_SHARE = 0.20

# Fraction of each digit's train pictures to keep, so that the split is imbalanced like real data: one digit is five
# times as frequent as another. Validation and test stay balanced.
KEPT = (1.0, 1.0, 0.9, 0.75, 1.0, 0.6, 0.45, 0.8, 0.3, 0.2)

_MARKER = ".slipway-sample.json"
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A scan and its place in the tree."""

    split: str
    label: str
    number: int
    """Index in scikit-learn's data set."""
    scan: npt.NDArray[np.float64]
    """Array of 8 x 8 values, 0 (paper) to 16 (ink)."""

    @property
    def path(self) -> Path:
        """Path relative to the sample's folder."""
        return Path(self.split, self.label, f"{self.number:04d}.png")

    def render(self) -> Image.Image:
        """Render dark ink on white paper, `SIDE` pixels square, 8-bit grey."""
        paper = np.round(255 - self.scan * (255 / 16)).astype(np.uint8)
        return Image.fromarray(paper, "L").resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def pictures() -> list[Scan]:
    """Build the sample: a seeded split within each class, the same on every machine.

    Raises:
        SampleError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError as error:
        raise SampleError(
            "the sample data comes with scikit-learn, which is not installed here; "
            "install it: pip install 'slipway[local]'"
        ) from error
    digits = load_digits()
    return list(_split(digits.images, digits.target))


def _split(scans: npt.NDArray[np.float64], targets: npt.NDArray[np.int64]) -> Iterator[Scan]:
    generator = np.random.default_rng(SEED)
    for digit, label in enumerate(CLASSES):
        numbers = generator.permutation(np.flatnonzero(targets == digit))
        test_end = round(len(numbers) * TEST_SHARE)
        validation_end = test_end + round(len(numbers) * VALIDATION_SHARE)
        train = numbers[validation_end:]
        parts = {
            "train": train[: round(len(train) * KEPT[digit])],
            "validation": numbers[test_end:validation_end],
            "test": numbers[:test_end],
        }
        for split, chosen in parts.items():
            for number in sorted(chosen):
                yield Scan(split=split, label=label, number=int(number), scan=scans[number])


def write_sample(directory: Path, advance: Callable[[int, int], None] = lambda done, total: None) -> bool:
    """Write the sample below a folder, unless it is complete already.

    Args:
        directory: An empty or missing folder, or one that holds (a part of) the sample.
        advance: Called with the number of pictures written so far, and the total.

    Returns:
        True if pictures were written, False if the sample was complete.

    Raises:
        SampleError: The folder holds something else, or cannot be written.
    """
    _require_own(directory)
    try:
        if _complete(directory):
            return False
        return _write(directory, advance)
    except OSError as error:
        remedy = "free some space, or name another folder" if is_disk_full(error) else "name another folder"
        raise SampleError(f"the sample data cannot be written into {directory}: {error.strerror}; {remedy}") from error


def _require_own(directory: Path) -> None:
    if directory.is_file():
        raise SampleError(f"{directory} is a file; name a folder that is empty or does not exist yet")
    if not directory.is_dir() or (directory / _MARKER).is_file():
        return
    found = sorted(path.name for path in directory.iterdir())
    if found:
        listed = ", ".join(found[:4]) + (" and more" if len(found) > 4 else "")
        raise SampleError(
            f"{directory} is not empty (it holds {listed}) and is not the sample data; nothing was written. "
            "Name a folder that is empty or does not exist yet"
        )


def _complete(directory: Path) -> bool:
    try:
        marker = json.loads((directory / _MARKER).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    if not isinstance(marker, dict) or marker.get("version") != _VERSION:
        return False
    return bool(marker.get("complete")) and marker.get("pictures") == len(list(directory.glob("*/*/*.png")))


def _write(directory: Path, advance: Callable[[int, int], None]) -> bool:
    sample = pictures()
    directory.mkdir(parents=True, exist_ok=True)
    # The marker is written first, so that a later run recognises an interrupted one and completes it.
    _mark(directory, len(sample), complete=False)
    for done, picture in enumerate(sample, start=1):
        path = directory / picture.path
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.render().save(path, optimize=True)
        advance(done, len(sample))
    _mark(directory, len(sample), complete=True)
    return True


def _mark(directory: Path, count: int, *, complete: bool) -> None:
    marker = {"sample": "scikit-learn load_digits", "version": _VERSION, "pictures": count, "complete": complete}
    (directory / _MARKER).write_text(json.dumps(marker, indent=2) + "\n", encoding="utf-8")
