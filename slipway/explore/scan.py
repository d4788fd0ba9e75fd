"""Read every file of a data set once: what it is, its size, and what its pixels hash to."""

import hashlib
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from container.cpus import available_cpus
from container.errors import PictureError
from container.picture import FORMATS, read_picture
from container.train.channels import SUFFIXES
from slipway.dataset_folder import class_folders, files_below, find_splits

WHOLE = "all"
"""The split's name where the folder is one ImageFolder without splits."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file in a class folder."""

    path: Path
    split: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Picture(Entry):
    """A file that can be read."""

    width: int
    """Pixels, as the picture is looked at: after EXIF orientation."""
    height: int
    format: str
    mode: str
    """Pillow's name of the pixel format in the file, for example RGB, L or CMYK."""
    file_bytes: int
    file_digest: str
    pixel_digest: str
    """Of the decoded RGB pixels and their size: equal for one picture saved twice without loss."""


@dataclass(frozen=True, kw_only=True)
class Unreadable(Entry):
    """A file with a picture's ending that training will skip or refuse."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """All that was found below one folder."""

    root: Path
    classes: dict[str, tuple[str, ...]]
    """Class folders of each split, the empty ones too."""
    pictures: tuple[Picture, ...]
    unreadable: tuple[Unreadable, ...]
    ignored: tuple[Entry, ...] = ()
    """Files without a picture's ending, which training does not look at."""

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.classes)

    def relative(self, entry: Entry) -> str:
        """The file's path below the root, for people."""
        return str(entry.path.relative_to(self.root))


def scan(root: Path, advance: Callable[[int, int], None] = lambda done, total: None) -> Dataset:
    """Read all pictures below a folder, several at a time.

    Args:
        root: Holds train, validation (or valid) and test folders, or class folders.
        advance: Called with the number of files read so far, and of all.

    Raises:
        DataError: The folder is missing, or holds no class folders.
    """
    splits = find_splits(root) or {WHOLE: root}
    folders = {split: class_folders(path) for split, path in splits.items()}
    found = [
        Entry(path=path, split=split, label=folder.name)
        for split, of_split in folders.items()
        for folder in of_split
        for path in files_below(folder)
    ]
    entries = [entry for entry in found if entry.path.suffix.lower() in SUFFIXES]
    read: list[Picture | Unreadable] = []
    # Threads suffice: decoding and hashing release the interpreter lock.
    executor = ThreadPoolExecutor(max_workers=available_cpus())
    try:
        for done, result in enumerate(executor.map(_read, entries), start=1):
            read.append(result)
            advance(done, len(entries))
    finally:
        executor.shutdown(cancel_futures=True)
    return Dataset(
        root=root,
        classes={split: tuple(folder.name for folder in of_split) for split, of_split in folders.items()},
        pictures=tuple(result for result in read if isinstance(result, Picture)),
        unreadable=tuple(result for result in read if isinstance(result, Unreadable)),
        ignored=tuple(entry for entry in found if entry.path.suffix.lower() not in SUFFIXES),
    )


def _read(entry: Entry) -> Picture | Unreadable:
    try:
        data = entry.path.read_bytes()
        rgb = read_picture(data)
    except OSError as error:
        reason = f"the file cannot be opened: {error.strerror}"
        return Unreadable(path=entry.path, split=entry.split, label=entry.label, reason=reason)
    except PictureError as error:
        return Unreadable(path=entry.path, split=entry.split, label=entry.label, reason=str(error))
    with Image.open(io.BytesIO(data), formats=FORMATS) as header:
        format_name, mode = header.format or "unknown", header.mode
    pixels = hashlib.blake2b(f"{rgb.width}x{rgb.height}".encode(), digest_size=16)
    pixels.update(rgb.tobytes())
    return Picture(
        path=entry.path,
        split=entry.split,
        label=entry.label,
        width=rgb.width,
        height=rgb.height,
        format=format_name,
        mode=mode,
        file_bytes=len(data),
        file_digest=hashlib.blake2b(data, digest_size=16).hexdigest(),
        pixel_digest=pixels.hexdigest(),
    )
