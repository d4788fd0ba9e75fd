"""Walks a folder in the order in which S3 lists keys, with only one folder's names in memory at a time."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from container.folder import leftover

MAX_KEY_BYTES = 1024
"""S3's limit on the length of a key."""


@dataclass(frozen=True)
class LocalFile:
    """A file to send."""

    path: Path
    name: str
    """Path relative to the folder, with slashes."""
    size: int


@dataclass(frozen=True)
class Unsent:
    """A path that is not sent, with the reason."""

    path: Path
    reason: str
    harmless: bool = False
    """Whether the upload is complete without it."""


def walk(
    folder: Path, room_bytes: int = MAX_KEY_BYTES, leftovers: Counter[str] | None = None
) -> Iterator[LocalFile | Unsent]:
    """Yield every file below a folder, ordered by the bytes of its name, without leftovers of systems and tools.

    Links are followed, except those that lead back to a folder above them.

    Args:
        folder: An existing folder.
        room_bytes: Longest name for which the whole key is within S3's limit.
        leftovers: Counts the skipped files by name.
    """
    counts: Counter[str] = Counter() if leftovers is None else leftovers
    yield from _walk(folder, "", frozenset({folder.resolve()}), room_bytes, counts)


def _walk(
    folder: Path, prefix: str, above: frozenset[Path], room_bytes: int, leftovers: Counter[str]
) -> Iterator[LocalFile | Unsent]:
    try:
        with os.scandir(folder) as entries:
            # S3 sorts whole keys: "a.png" comes before "a/1.png", and that before "a0.png".
            found = sorted(
                ((os.fsencode(entry.name) + b"/" * entry.is_dir(), entry) for entry in entries),
                key=lambda pair: pair[0],
            )
    except OSError as error:
        yield Unsent(folder, f"the folder cannot be read: {error.strerror}")
        return
    visible = [(name, entry) for name, entry in found if not leftover(entry.name)]
    leftovers.update(left for _, entry in found if (left := leftover(entry.name)))
    if not visible and prefix:
        yield Unsent(folder, "is an empty folder, and S3 keeps none", harmless=True)
    for encoded, entry in visible:
        path = Path(entry.path)
        if encoded.endswith(b"/"):
            real = path.resolve()
            if real in above:
                yield Unsent(path, "is a link to a folder that holds it")
            else:
                yield from _walk(path, f"{prefix}{entry.name}/", above | {real}, room_bytes, leftovers)
        else:
            yield _file(path, f"{prefix}{entry.name}", entry, room_bytes)


def _file(path: Path, name: str, entry: os.DirEntry[str], room_bytes: int) -> LocalFile | Unsent:
    try:
        if len(name.encode()) > room_bytes:
            return Unsent(path, f"its key would be longer than S3's {MAX_KEY_BYTES} bytes")
        if not entry.is_file():
            return Unsent(path, "is a link to nothing" if entry.is_symlink() else "is not a regular file")
        return LocalFile(path, name, entry.stat().st_size)
    except UnicodeEncodeError:
        return Unsent(path, "its name is not UTF-8, as S3 wants it; rename it")
    except OSError as error:
        return Unsent(path, f"cannot be read: {error.strerror}")
