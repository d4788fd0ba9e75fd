"""Lists folders of pictures, in training and on the host alike: their files, what is omitted, and what is broken."""

import os
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from container.contract.errors import DataError

_LEFTOVERS = frozenset(
    ("__macosx", "@eadir", "#recycle", "@recycle", "$recycle.bin", "lost+found", "system volume information")
) | frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "__pycache__", "ipynb_checkpoints"))
_SHOWN = 5

Identities = frozenset[tuple[int, int]]
"""Folders, by device and inode."""


def printable(text: str | Path) -> str:
    """Escape what would break or hide in a line: bytes that are not UTF-8, line ends, bidirectional marks."""
    decoded = _decoded(str(text))
    return decoded if decoded.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in decoded)


def same_name(name: str) -> str:
    """Normalise a class name for comparison: systems write an accented letter as one character or as two."""
    return unicodedata.normalize("NFC", name)


def leftover(name: str) -> str | None:
    """Return the name under which to count a leftover of systems and tools (or a hidden file); None for others."""
    if name.startswith("._"):
        return "._*"
    if name.endswith("_$folder$"):
        return "*_$folder$"
    return name if name.startswith(".") or name.casefold() in _LEFTOVERS else None


def describe_leftovers(counts: Counter[str]) -> str:
    """Say how many files and folders were omitted as leftovers, and which."""
    shown = [f"{count:,} {printable(name)}" for name, count in counts.most_common(_SHOWN)]
    more = counts.total() - sum(count for _, count in counts.most_common(_SHOWN))
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


@dataclass(kw_only=True)
class Listing:
    """The files below a folder, and what was omitted."""

    files: list[Path] = field(default_factory=list)
    """Sorted by path; links to files and folders are followed."""
    leftovers: Counter[str] = field(default_factory=Counter)
    unreadable: dict[Path, str] = field(default_factory=dict)
    """What could not be read, such as a link to nothing, and why: a sentence that names it."""
    loops: list[Path] = field(default_factory=list)
    """Links to a folder that contains them; they are not followed."""


@dataclass(kw_only=True)
class ImageFolder(Listing):
    """An ImageFolder tree: a folder for each class. `files`, sorted too, are those beside the class folders."""

    classes: dict[str, Path] = field(default_factory=dict)
    """Folders by class name, sorted. A name that is not UTF-8 is escaped."""


def list_files(folder: Path, above: Identities = frozenset()) -> Listing:
    """List every file below a folder.

    Args:
        folder: Where to look.
        above: Folders that contain it; links to them are not followed.
    """
    found = Listing()
    waiting = [(folder, above, False)]
    while waiting:
        current, above, linked = waiting.pop()
        for entry, is_folder in _entries(current, found):
            path = Path(entry.path)
            if not is_folder:
                found.files.append(path)
                continue
            inner, through_link = above | _identity(current), linked or entry.is_symlink()
            if through_link and _identity(path) & inner:
                found.loops.append(path)
            else:
                waiting.append((path, inner, through_link))
    found.files.sort()
    found.loops.sort()
    return found


def list_image_folder(directory: Path) -> ImageFolder:
    """List the class folders of an ImageFolder tree, but not their files.

    Raises:
        DataError: Two folders have the same name, encoded differently.
    """
    found, above = ImageFolder(), _holders(directory)
    spellings: dict[str, str] = {}
    for entry, is_folder in _entries(directory, found):
        path = Path(entry.path)
        if not is_folder:
            found.files.append(path)
        elif entry.is_symlink() and _identity(path) & above:
            found.loops.append(path)
        else:
            name = _decoded(entry.name)
            twin = spellings.setdefault(same_name(name), entry.name)
            if twin != entry.name:
                raise DataError(
                    f"{printable(directory)} has two class folders whose names look alike: {twin!a} and "
                    f"{entry.name!a}; they differ in how letters are encoded (Unicode NFC and NFD). Put their "
                    "pictures into one folder"
                )
            found.classes[name] = path
    found.files.sort()
    found.classes = dict(sorted(found.classes.items()))
    return found


def list_class(image_folder: Path, folder: Path) -> Listing:
    """List every file of one class of an ImageFolder tree."""
    return list_files(folder, _holders(image_folder))


def _decoded(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _entries(folder: Path, found: Listing) -> list[tuple[os.DirEntry[str], bool]]:
    """Return a folder's entries, each with whether it is a folder; omitted ones are recorded in `found`."""
    try:
        with os.scandir(folder) as scanned:
            entries = list(scanned)
    except OSError as error:
        found.unreadable[folder] = f"the folder {printable(folder)} cannot be read: {error.strerror}"
        return []
    known = []
    for entry in entries:
        left = leftover(entry.name)
        if left:
            found.leftovers[left] += 1
            continue
        try:
            is_folder = entry.is_dir()
            problem = "" if is_folder or entry.is_file() else "is no ordinary file"
            if problem and entry.is_symlink():
                problem = f"is a link to nothing ({printable(Path(entry.path).readlink())} does not exist)"
        except OSError as error:
            problem = f"cannot be opened: {error.strerror}"
        if problem:
            found.unreadable[Path(entry.path)] = f"{printable(entry.path)} {problem}"
        else:
            known.append((entry, is_folder))
    return known


def _holders(folder: Path) -> Identities:
    """Return a folder and all folders that contain it."""
    real = folder.resolve()
    return frozenset().union(*map(_identity, (real, *real.parents)))


def _identity(folder: Path) -> Identities:
    """Return a folder's device and inode; empty if it is gone."""
    try:
        status = folder.stat()
    except OSError:
        return frozenset()
    return frozenset({(status.st_dev, status.st_ino)})
