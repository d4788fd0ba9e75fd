"""Thumbnails as data URIs, so that the page needs no other file; few enough to keep it to a few megabytes."""

import base64
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from container.picture import read_picture
from slipway.explore.scan import Dataset, Picture

SIDE = 96
"""Largest side of a thumbnail, in pixels."""

MOST = 600
"""Most sample pictures on a page, about 2 kB each."""

MOST_PER_CLASS = 12


def choose_samples(dataset: Dataset, labels: Sequence[str]) -> dict[str, tuple[Picture, ...]]:
    """Pick evenly spaced readable pictures of each class, from the first split that has any.

    With more than `MOST` classes, only the first `MOST` get samples.
    """
    per_class = max(1, min(MOST_PER_CLASS, MOST // max(1, len(labels))))
    by_place: defaultdict[tuple[str, str], list[Picture]] = defaultdict(list)
    for picture in dataset.pictures:
        by_place[picture.label, picture.split].append(picture)
    chosen: dict[str, tuple[Picture, ...]] = {}
    for label in labels[:MOST]:
        found = next((by_place[label, split] for split in dataset.splits if by_place[label, split]), [])
        step = max(1.0, len(found) / per_class)
        chosen[label] = tuple(found[int(index * step)] for index in range(min(per_class, len(found))))
    return chosen


def thumbnail(path: Path) -> str:
    """Encode a picture as the `data:` URI of a WebP file of at most `SIDE` pixels a side, uncropped.

    Small pictures are enlarged by whole factors, so that the pixels of an icon or a scan can be seen.

    Raises:
        PictureError: The file has changed since it was scanned.
    """
    picture = read_picture(path, shrink_to=SIDE)
    scale = SIDE / max(picture.size)
    if scale >= 2:
        steps = int(scale)
        picture = picture.resize((picture.width * steps, picture.height * steps), Image.Resampling.NEAREST)
    elif scale < 1:
        picture.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=2.0)
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=72)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def thumbnails(pictures: Iterable[Picture]) -> dict[Path, str]:
    """Encode all chosen pictures; returns data URIs by path."""
    return {picture.path: thumbnail(picture.path) for picture in pictures}
