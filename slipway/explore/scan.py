"""Reads every file of a data set once: format, size, and a hash of its pixels."""

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from container.cpus import available_cpus
from container.explore.facts import Facts, read_facts
from container.folder import printable
from slipway.datasets.folder import find_splits, other_folders
from slipway.explore.listing import Entry, SplitListing, Unreadable, list_split

WHOLE = "all"
"""Name of the split if the folder has no splits."""


@dataclass(frozen=True, kw_only=True)
class Picture(Entry, Facts):
    """A file that can be read."""


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
    address: str = ""
    """S3 address of the data, whose names alone are below the root; empty for a folder."""

    @property
    def place(self) -> str:
        """The S3 address, or else the root, printable."""
        return self.address or printable(self.root)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.classes)

    def relative(self, entry: Entry) -> str:
        """Get the file's path below the root, printable."""
        return printable(entry.path.relative_to(self.root))


def scan(
    root: Path,
    advance: Callable[[int, int], None] = lambda done, total: None,
    facts: Callable[[Path], Facts | str] = read_facts,
) -> Dataset:
    """Read all pictures below a folder, several at a time.

    Args:
        root: Contains train, validation (or valid) and test folders, or class folders, or a manifest and pictures.
        advance: Called with the number of files read so far and the total.
        facts: Returns the facts of a file, or why it cannot be read.

    Raises:
        DataError: The folder is missing or contains no class folders, or its manifest cannot be used.
    """
    listings = list_splits(root)
    entries = [entry for listing in listings.values() for entry in listing.entries]
    read: list[Picture | Unreadable] = [entry for listing in listings.values() for entry in listing.unreadable]
    # Threads suffice: decoding and hashing release the GIL.
    executor = ThreadPoolExecutor(max_workers=available_cpus())
    try:
        found = executor.map(facts, (entry.path for entry in entries))
        for done, (entry, result) in enumerate(zip(entries, found, strict=True), start=1):
            read.append(
                Unreadable(**vars(entry), reason=result)
                if isinstance(result, str)
                else Picture(**vars(entry), **vars(result))
            )
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


def list_splits(root: Path) -> dict[str, SplitListing]:
    """List the files of each split; a folder without splits is one, `WHOLE`.

    Raises:
        DataError: As for `scan`.
    """
    names: dict[str, str] = {}
    return {split: list_split(split, folder, names) for split, folder in (find_splits(root) or {WHOLE: root}).items()}
