"""Writing a file aside and moving it into place."""

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
        OSError: As `write` raises it; the temporary file is removed and `path` is as before.
    """
    # Not by process id: two containers that share the directory have the same ones.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(directory: Path) -> None:
    """Remove what processes that were killed while they wrote have left in a directory; nobody may be writing there."""
    for path in directory.glob(".*"):
        if _TEMPORARY.fullmatch(path.name):
            with contextlib.suppress(OSError):  # untidy, and no more
                path.unlink()
