"""`slipway data clean`: copies a data folder without its suspects and with corrected labels.

The source stays as it is. A split keeps its form: class folders, or a manifest, which is written anew as labels.csv.
"""

import csv
import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from container.contract.errors import DataError
from container.folder import printable
from container.manifest import Manifest
from slipway.datasets.folder import classes_of, find_splits
from slipway.explore.listing import Entry, list_split
from slipway.explore.scan import WHOLE
from slipway.explore.suspects import Suspect

MANIFEST = "labels.csv"


@dataclass(kw_only=True)
class Cleaned:
    """What was done, as numbers of files."""

    copied: int = 0
    removed: int = 0
    relabelled: int = 0
    kept: int = 0
    """Suspects that stay as they are."""
    left_out: int = 0
    """Files that training ignores."""


@dataclass
class _Split:
    folder: Path
    by_manifest: bool
    rows: list[tuple[str, str]] = field(default_factory=list)


def clean(
    root: Path,
    suspects: Sequence[Suspect],
    output: Path,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Cleaned:
    """Copy the pictures of a data folder, as the list of suspects says.

    Args:
        root: The data folder that was explored.
        suspects: From `read_suspects`.
        output: A folder that does not exist yet, or is empty, and not below `root`.
        advance: Called with the number of pictures done so far, and the total.

    Raises:
        DataError: The folder cannot be read, a suspect is not in it, or the output is not empty, lies in it, or cannot
            be written.
    """
    folders = find_splits(root) or {WHOLE: root}
    _require_place(root, output)
    names: dict[str, str] = {}
    listings = {split: list_split(split, folder, names) for split, folder in folders.items()}
    entries = [entry for listing in listings.values() for entry in listing.entries]
    actions = _actions(
        root, suspects, [*entries, *(each for listing in listings.values() for each in listing.unreadable)]
    )
    splits = {split: _Split(folder, isinstance(classes_of(folder)[0], Manifest)) for split, folder in folders.items()}
    done = Cleaned(kept=sum(suspect.action == "keep" for suspect in suspects))
    done.left_out = sum(
        len(listing.ignored) + len(listing.beside) + len(listing.unnamed) for listing in listings.values()
    )
    try:
        output.mkdir(parents=True, exist_ok=True)
        # Those that keep their place first, so that no other takes their name.
        moved = {path for path, suspect in actions.items() if suspect.action == "relabel"}
        for number, entry in enumerate(sorted(entries, key=lambda entry: entry.path in moved), start=1):
            _place(entry, actions.get(entry.path), splits[entry.split], root, output, done)
            advance(number, len(entries))
        for split in splits.values():
            if split.by_manifest:
                _write_manifest(output / split.folder.relative_to(root), split.rows)
    except OSError as error:
        raise DataError(f"{output} cannot be filled: {error.strerror}: {error.filename}") from error
    return done


def _require_place(root: Path, output: Path) -> None:
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise DataError(f"{output} is not empty; name a new folder with --output")
    if output.resolve().is_relative_to(root.resolve()):
        raise DataError(f"{output} lies in {root}, which is not changed; name a folder elsewhere with --output")


def _actions(root: Path, suspects: Sequence[Suspect], entries: Sequence[Entry]) -> dict[Path, Suspect]:
    """Find the file of each suspect; of several rows for one file, `remove` counts most, then `relabel`."""
    known = {printable(entry.path.relative_to(root)): entry.path for entry in entries}
    found: dict[Path, Suspect] = {}
    rank = {"remove": 2, "relabel": 1, "keep": 0}
    for suspect in suspects:
        if suspect.suspect not in known:
            raise DataError(
                f"there is no picture {suspect.suspect} in {root}; was the list written for another folder?"
            )
        path = known[suspect.suspect]
        before = found.get(path)
        if before and before.action == suspect.action == "relabel" and before.suggested != suspect.suggested:
            raise DataError(f"the list gives {suspect.suspect} two classes: {before.suggested} and {suspect.suggested}")
        if before is None or rank[suspect.action] > rank[before.action]:
            found[path] = suspect
    return found


def _place(entry: Entry, suspect: Suspect | None, split: _Split, root: Path, output: Path, done: Cleaned) -> None:
    if suspect is not None and suspect.action == "remove":
        done.removed += 1
        return
    relative = entry.path.relative_to(root)
    label = entry.label
    if suspect is not None and suspect.action == "relabel" and suspect.suggested != label:
        label = suspect.suggested
        done.relabelled += 1
        if not split.by_manifest:
            within = entry.path.relative_to(split.folder)
            relative = split.folder.relative_to(root) / _class_folder(label) / Path(*within.parts[1:])
    target = _free(output / relative) if label != entry.label else output / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(entry.path, target)
    split.rows.append((target.relative_to(output / split.folder.relative_to(root)).as_posix(), label))
    done.copied += 1


def _class_folder(label: str) -> str:
    if label in ("", ".", "..") or "/" in label or "\0" in label:
        raise DataError(f"the list suggests the class {label!r}, which cannot be the name of a folder")
    return label


def _free(target: Path) -> Path:
    """Find a name that no file has."""
    number, free = 2, target
    while free.exists():
        free, number = target.with_stem(f"{target.stem}-{number}"), number + 1
    return free


def _write_manifest(folder: Path, rows: Sequence[tuple[str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("file", "label"), *rows])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text(text.getvalue(), encoding="utf-8")
