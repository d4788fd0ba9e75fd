"""One input channel: class folders, tar shards or a manifest, listed and checked before anything is decoded."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from container.folder import ImageFolder, Listing, describe_leftovers, list_class, list_image_folder, printable
from container.manifest import Manifest, read_manifest
from container.picture import ENDINGS
from container.shards import find_shards, read_shards

SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Channel:
    """The pictures of a channel."""

    name: str
    directory: Path
    classes: dict[str, list[Path]]
    """Files by class name, both sorted; a class without pictures is among them."""
    notes: list[str] = field(default_factory=list)
    """What was left out and decided, for the log."""
    unreadable: dict[Path, str] = field(default_factory=dict)
    """Paths that could not even be listed, such as dangling links, and why."""
    manifest: Path | None = None
    others: tuple[str, ...] = ()
    """Files that could be a manifest and are none: a sentence each."""

    def __str__(self) -> str:
        """The channel, for messages."""
        return f"the {self.name} channel ({self.directory})"

    def problems(self) -> str:
        """The first things that could not be listed or used, to be added to a message."""
        return "".join(f"; {reason}" for reason in [*self.others, *self.unreadable.values()][:SHOWN])


def read_channel(name: str, directory: Path) -> Channel:
    """List the pictures of a channel, by its manifest if it has one, else by its shards or class folders.

    Raises:
        DataError: A manifest is wrong or names absent files, two class folders have the same name, or shards cannot be
            used: see `find_shards` and `read_shards`.
    """
    looked = read_manifest(directory)
    if looked.manifest is not None:
        return _by_manifest(name, directory, looked.manifest, looked.others)
    tree = list_image_folder(directory)
    if not tree.classes and (shards := find_shards(tree.files, directory)):
        return _by_shards(name, directory, tree, shards, looked.others)
    listings: list[Listing] = [tree]
    classes: dict[str, list[Path]] = {}
    endings: Counter[str] = Counter()
    for folder, path in tree.classes.items():
        listing = list_class(directory, path)
        listings.append(listing)
        classes[folder] = [file for file in listing.files if file.suffix.lower() in ENDINGS]
        endings.update(ending for file in listing.files if (ending := file.suffix.lower()) not in ENDINGS)
    return Channel(
        name=name,
        directory=directory,
        classes=classes,
        notes=[*looked.others, *_left_out(name, tree, listings, endings)],
        unreadable={path: reason for listing in listings for path, reason in listing.unreadable.items()},
        others=looked.others,
    )


def _by_manifest(name: str, directory: Path, manifest: Manifest, others: tuple[str, ...]) -> Channel:
    manifest.require_files()
    listing = manifest.listing
    return Channel(
        name=name,
        directory=directory,
        classes=manifest.classes,
        notes=[f"the {name} channel: {note}" for note in manifest.notes()] + _never_listed(name, [listing]),
        unreadable=listing.unreadable,
        manifest=manifest.path,
        others=others,
    )


def _by_shards(
    name: str, directory: Path, tree: ImageFolder, shards: Sequence[Path], others: tuple[str, ...]
) -> Channel:
    found = read_shards(shards)
    notes = [f"the {name} channel: {note}" for note in found.notes()]
    if beside := [path.name for path in tree.files if path not in set(shards)]:
        notes.append(
            f"{_files(len(beside))} in the {name} channel left out, as they lie beside shards: {names(beside)}"
        )
    return Channel(
        name=name,
        directory=directory,
        classes=found.classes,
        notes=[*others, *notes, *_never_listed(name, [tree])],
        unreadable=tree.unreadable,
        others=others,
    )


def _left_out(name: str, tree: ImageFolder, listings: Sequence[Listing], endings: Counter[str]) -> list[str]:
    notes = []
    if endings:
        kinds = ", ".join(
            f"{count:,} {printable(ending) if ending else 'without one'}"
            for ending, count in endings.most_common(SHOWN)
        )
        notes.append(
            f"{_files(endings.total())} in the {name} channel left out because their names lack a picture's extension: "
            f"{kinds}; convert pictures among them to JPEG or PNG, or add the extension"
        )
    if tree.files:
        notes.append(
            f"{_files(len(tree.files))} in the {name} channel left out because they lie beside the class folders: "
            f"{names([path.name for path in tree.files])}; move pictures among them into a class folder"
        )
    return notes + _never_listed(name, listings)


def _never_listed(name: str, listings: Sequence[Listing]) -> list[str]:
    notes = []
    leftovers: Counter[str] = sum((listing.leftovers for listing in listings), Counter())
    if leftovers:
        notes.append(
            f"left out of the {name} channel, as systems and tools leave it behind: {describe_leftovers(leftovers)}"
        )
    loops = [path for listing in listings for path in listing.loops]
    if loops:
        notes.append(
            f"links in the {name} channel to a folder that holds them, not followed: {len(loops):,}, the first "
            f"{printable(loops[0])}"
        )
    return notes


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"


def names(given: Sequence[str]) -> str:
    """List the first of some names, and count the others."""
    more = f" and {len(given) - SHOWN:,} more" if len(given) > SHOWN else ""
    return ", ".join(map(printable, given[:SHOWN])) + more
