"""Writing a file aside and moving it into place."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


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
