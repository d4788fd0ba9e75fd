"""Lists the files of one split of a data set, by its manifest or by its class folders."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from container.folder import Listing, list_class, same_name
from container.manifest import Manifest
from container.picture import ENDINGS
from slipway.datasets.folder import classes_of


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One file of a split."""

    path: Path
    split: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Unreadable(Entry):
    """A file with a picture's file extension that training will skip or refuse."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class SplitListing:
    """The files of a split."""

    classes: tuple[str, ...]
    """Classes, including empty ones."""
    entries: list[Entry] = field(default_factory=list)
    """Files to read."""
    unreadable: list[Unreadable] = field(default_factory=list)
    ignored: list[Entry] = field(default_factory=list)
    """Files without a picture's file extension, which training ignores."""
    beside: list[Entry] = field(default_factory=list)
    """Files beside the class folders, which training ignores too."""
    unnamed: list[Entry] = field(default_factory=list)
    """Files that the manifest does not name."""
    loops: list[Entry] = field(default_factory=list)
    """Links to a folder that contains them, which are not followed."""
    leftovers: Counter[str] = field(default_factory=Counter)
    """How many files operating systems and tools left behind, by name."""
    absent: list[str] = field(default_factory=list)
    """Which files the manifest names that are not there: a sentence; empty if all are."""
    notes: list[str] = field(default_factory=list)
    """What was decided about a manifest."""

    def add(self, split: str, label: str, listing: Listing) -> None:
        """Add what could not be listed."""
        self.unreadable.extend(
            Unreadable(path=path, split=split, label=label, reason=reason)
            for path, reason in listing.unreadable.items()
        )
        self.loops.extend(Entry(path=path, split=split, label=label) for path in listing.loops)
        self.leftovers.update(listing.leftovers)


def list_split(split: str, folder: Path, names: dict[str, str]) -> SplitListing:
    """List the files of a split.

    Args:
        split: Its name.
        folder: Its folder.
        names: Class names by their normalised form, from the splits before; extended.

    Raises:
        DataError: There is neither a manifest nor a class folder, or the manifest cannot be used.
    """
    tree, others = classes_of(folder)
    classes = {name: names.setdefault(same_name(name), name) for name in tree.classes}
    found = SplitListing(classes=tuple(classes.values()), notes=[f"{text}." for text in others])
    if isinstance(tree, Manifest):
        _add_manifest(found, split, classes, tree)
        return found
    found.add(split, "", tree)
    found.beside.extend(Entry(path=path, split=split, label="") for path in tree.files)
    for name, path in tree.classes.items():
        listing = list_class(folder, path)
        for file in listing.files:
            kind = found.entries if file.suffix.lower() in ENDINGS else found.ignored
            kind.append(Entry(path=file, split=split, label=classes[name]))
        found.add(split, classes[name], listing)
    return found


def _add_manifest(found: SplitListing, split: str, classes: dict[str, str], manifest: Manifest) -> None:
    found.entries.extend(Entry(path=path, split=split, label=classes[label]) for path, label in manifest.labels.items())
    found.unnamed.extend(Entry(path=path, split=split, label="") for path in manifest.unnamed)
    found.add(split, "", manifest.listing)
    found.absent.extend([text] if (text := manifest.describe_absent()) else [])
    found.notes.extend(f"{split}: {note}." for note in manifest.notes())
