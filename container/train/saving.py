"""Writing to the job's directories, with errors that say what to do."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from container.errors import TrainingError


@contextmanager
def saving(what: str, path: Path) -> Iterator[None]:
    """Turn a failed write below `path` into a TrainingError that names the cause."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(path if path.exists() else path.parent).free // 2**20
            cause = f"the disk is full ({free} MB free); give the job a larger volume"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            cause = f"{os.strerror(error.errno).lower()}; make the directory writable for the user the job runs as"
        else:
            cause = error.strerror or str(error)
        raise TrainingError(
            f"the {what} cannot be written to {path}: {cause}. What was saved there before is untouched"
        ) from error


def check_writable(what: str, directory: Path) -> None:
    """Find out before any work is done whether a directory can be written.

    Raises:
        TrainingError: It cannot.
    """
    with saving(what, directory):
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / ".slipway-probe"
        probe.write_bytes(b"probe")
        probe.unlink(missing_ok=True)  # another host of the job may write there too
