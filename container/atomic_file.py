"""Writes files atomically: aside first, then moved into place."""

import contextlib
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}")


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file, flush it to the disk, then move it over `path`.

    Raises:
        OSError: From `write`; the temporary file is removed and `path` is unchanged.
    """
    # A random name: containers that share the directory may have the same process ids.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write(temporary)
        with temporary.open("r+b") as file:  # Windows flushes only what is open for writing
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(directory: Path) -> None:
    """Remove temporary files left by processes killed while writing; nobody may be writing in the directory."""
    for path in directory.glob(".*"):
        if _TEMPORARY.fullmatch(path.name):
            with contextlib.suppress(OSError):  # harmless if it stays
                path.unlink()
