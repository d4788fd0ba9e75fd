"""Reads every file of a data set once: format, size, and a hash of its pixels."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from container.contract.errors import PictureError
from container.cpus import available_cpus
from container.folder import Listing, list_class, printable, same_name
from container.picture import ENDINGS, open_picture, read_picture
from slipway.dataset_folder import class_folders, find_splits, other_folders

WHOLE = "all"
"""Name of the split if the folder is one ImageFolder without splits."""


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
    """Pixels, after EXIF orientation."""
    height: int
    format: str
    mode: str
    """Pillow's name of the pixel format in the file, for example RGB, L or CMYK."""
    file_bytes: int
    file_digest: str
    pixel_digest: str
    """Hash of the decoded RGB pixels and their size: equal for a picture saved twice losslessly."""


@dataclass(frozen=True, kw_only=True)
class Unreadable(Entry):
    """A file with a picture's file extension that training will skip or refuse."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """All files found below a folder."""

    root: Path
    classes: dict[str, tuple[str, ...]]
    """Class folders of each split, including empty ones."""
    pictures: tuple[Picture, ...]
    unreadable: tuple[Unreadable, ...]
    ignored: tuple[Entry, ...] = ()
    """Files without a picture's file extension, which training ignores."""
    beside: tuple[Entry, ...] = ()
    """Files beside the class folders, which training ignores too."""
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
        root: Contains train, validation (or valid) and test folders, or class folders.
        advance: Called with the number of files read so far and the total.

    Raises:
        DataError: The folder is missing, or contains no class folders.
    """
    splits = find_splits(root) or {WHOLE: root}
    trees = {split: class_folders(path) for split, path in splits.items()}
    names: dict[str, str] = {}
    found: list[Entry] = []
    read: list[Picture | Unreadable] = []
    loops: list[Entry] = []
    leftovers: Counter[str] = Counter()
    for split, tree in trees.items():
        listings: list[tuple[str, Listing]] = [("", tree)]
        for name, folder in tree.classes.items():
            listing = list_class(splits[split], folder)
            label = names.setdefault(same_name(name), name)
            listings.append((label, listing))
            found += [Entry(path=path, split=split, label=label) for path in listing.files]
        for label, listing in listings:
            read += [
                Unreadable(path=path, split=split, label=label, reason=reason)
                for path, reason in listing.unreadable.items()
            ]
            loops += [Entry(path=path, split=split, label=label) for path in listing.loops]
            leftovers += listing.leftovers
    entries = [entry for entry in found if entry.path.suffix.lower() in ENDINGS]
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
        classes={split: tuple(names[same_name(name)] for name in tree.classes) for split, tree in trees.items()},
        pictures=tuple(result for result in read if isinstance(result, Picture)),
        unreadable=tuple(result for result in read if isinstance(result, Unreadable)),
        ignored=tuple(entry for entry in found if entry.path.suffix.lower() not in ENDINGS),
        beside=tuple(Entry(path=path, split=split, label="") for split, tree in trees.items() for path in tree.files),
        loops=tuple(loops),
        leftovers=leftovers,
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
    )
