"""What is below a folder, in the order in which S3 lists it, without holding more than one folder's names at a time."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAX_KEY_BYTES = 1024


@dataclass(frozen=True)
class LocalFile:
    """A file to send."""

    path: Path
    name: str
    """Relative to the folder, with slashes."""
    size: int


@dataclass(frozen=True)
class Unsent:
    """Something that is not sent, and why."""

    path: Path
    reason: str
    harmless: bool = False
    """Whether nothing is missing without it."""


def walk(folder: Path, room_bytes: int = _MAX_KEY_BYTES) -> Iterator[LocalFile | Unsent]:
    """Every file below a folder, by the bytes of its name; hidden files and folders are left out.

    Links are followed, except those that lead back to a folder above them.

    Args:
        folder: Must exist.
        room_bytes: How long a name can be for the whole key to be allowed.
    """
    yield from _walk(folder, "", frozenset({folder.resolve()}), room_bytes)


def _walk(folder: Path, prefix: str, above: frozenset[Path], room_bytes: int) -> Iterator[LocalFile | Unsent]:
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
    visible = [(name, entry) for name, entry in found if not entry.name.startswith(".")]
    if not visible and prefix:
        yield Unsent(folder, "is an empty folder, and S3 keeps none", harmless=True)
    for encoded, entry in visible:
        path = Path(entry.path)
        if encoded.endswith(b"/"):
            real = path.resolve()
            if real in above:
                yield Unsent(path, "is a link to a folder that holds it")
            else:
                yield from _walk(path, f"{prefix}{entry.name}/", above | {real}, room_bytes)
        else:
            yield _file(path, f"{prefix}{entry.name}", entry, room_bytes)


def _file(path: Path, name: str, entry: os.DirEntry[str], room_bytes: int) -> LocalFile | Unsent:
    try:
        if len(name.encode()) > room_bytes:
            return Unsent(path, f"its key would be longer than S3's {_MAX_KEY_BYTES} bytes")
        if not entry.is_file():
            return Unsent(path, "is a link to nothing" if entry.is_symlink() else "is no ordinary file")
        return LocalFile(path, name, entry.stat().st_size)
    except UnicodeEncodeError:
        return Unsent(path, "its name is not UTF-8, as S3 wants it; rename it")
    except OSError as error:
        return Unsent(path, f"cannot be read: {error.strerror}")
