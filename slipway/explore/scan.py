"""Reads every file of a data set once: format, size, and a hash of its pixels."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from container.contract.errors import PictureError
from container.cpus import available_cpus
from container.folder import printable
from container.picture import open_picture, read_picture
from slipway.datasets.folder import find_splits, other_folders
from slipway.explore.listing import Entry, Unreadable, list_split
from slipway.explore.outline import outline

WHOLE = "all"
"""Name of the split if the folder has no splits."""


@dataclass(frozen=True, kw_only=True)
class Picture(Entry):
    """A file that can be read."""

    width: int
    """Pixels, after EXIF orientation."""
    height: int
    format: str
    mode: str
    """Pillow's name of the pixel format in the file, for example RGB, L or CMYK."""
    file_bytes: int
    file_digest: str
    pixel_digest: str
    """Hash of the decoded RGB pixels and their size: equal for a picture saved twice losslessly."""
    outline: bytes = b""
    """Grey values, from `slipway.explore.outline`."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """All files found below a folder."""

    root: Path
    classes: dict[str, tuple[str, ...]]
    """Classes of each split, including empty ones."""
    pictures: tuple[Picture, ...]
    unreadable: tuple[Unreadable, ...]
    ignored: tuple[Entry, ...] = ()
    """Files without a picture's file extension, which training ignores."""
    beside: tuple[Entry, ...] = ()
    """Files beside the class folders, which training ignores too."""
    unnamed: tuple[Entry, ...] = ()
    """Files that their split's manifest does not name, which training ignores too."""
    absent: tuple[str, ...] = ()
    """Which files manifests name that are not there: a sentence for each manifest."""
    notes: tuple[str, ...] = ()
    """What was decided about manifests: sentences."""
    loops: tuple[Entry, ...] = ()
    """Links to a folder that contains them, which are not followed."""
    leftovers: Mapping[str, int] = field(default_factory=dict)
    """How many files operating systems and tools left behind, by name."""
    other_folders: tuple[str, ...] = ()
    """Folders beside those of the splits."""

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.classes)

    def relative(self, entry: Entry) -> str:
        """Get the file's path below the root, printable."""
        return printable(entry.path.relative_to(self.root))


def scan(root: Path, advance: Callable[[int, int], None] = lambda done, total: None) -> Dataset:
    """Read all pictures below a folder, several at a time.

    Args:
        root: Contains train, validation (or valid) and test folders, or class folders, or a manifest and pictures.
        advance: Called with the number of files read so far and the total.

    Raises:
        DataError: The folder is missing or contains no class folders, or its manifest cannot be used.
    """
    names: dict[str, str] = {}
    folders = find_splits(root) or {WHOLE: root}
    listings = {split: list_split(split, folder, names) for split, folder in folders.items()}
    entries = [entry for listing in listings.values() for entry in listing.entries]
    read: list[Picture | Unreadable] = [entry for listing in listings.values() for entry in listing.unreadable]
    # Threads suffice: decoding and hashing release the GIL.
    executor = ThreadPoolExecutor(max_workers=available_cpus())
    try:
        for done, result in enumerate(executor.map(_read, entries), start=1):
            read.append(result)
            advance(done, len(entries))
    finally:
        executor.shutdown(cancel_futures=True)
    return Dataset(
        root=root,
        classes={split: listing.classes for split, listing in listings.items()},
        pictures=tuple(result for result in read if isinstance(result, Picture)),
        unreadable=tuple(result for result in read if isinstance(result, Unreadable)),
        ignored=tuple(entry for listing in listings.values() for entry in listing.ignored),
        beside=tuple(entry for listing in listings.values() for entry in listing.beside),
        unnamed=tuple(entry for listing in listings.values() for entry in listing.unnamed),
        absent=tuple(text for listing in listings.values() for text in listing.absent),
        notes=tuple(note for listing in listings.values() for note in listing.notes),
        loops=tuple(entry for listing in listings.values() for entry in listing.loops),
        leftovers=sum((listing.leftovers for listing in listings.values()), Counter()),
        other_folders=tuple(other_folders(root)),
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
    with open_picture(data) as header:
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
        outline=outline(rgb),
    )
