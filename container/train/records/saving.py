"""Error handling for writes to the job's directories: messages that say what to do."""

import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from container.contract.errors import TrainingError
from container.full_disk import is_disk_full


@contextmanager
def saving(what: str, path: Path, content: object = None) -> Iterator[None]:
    """Turn a failed write below `path` into a TrainingError that names the cause.

    Args:
        what: The thing written, for the message.
        path: Its directory.
        content: The tensors written, if any, from which the message says how much space is needed.
    """
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            free = shutil.disk_usage(path if path.exists() else path.parent).free // 2**20
            needed = tensor_bytes(content)
            need = f", about {-(-needed // 2**20)} MB needed" if needed else ""
            cause = f"the disk is full ({free} MB free{need}); give the job a larger volume"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            cause = f"{os.strerror(error.errno).lower()}; make the directory writable for the user the job runs as"
        else:
            cause = error.strerror or str(error)
        raise TrainingError(
            f"the {what} cannot be written to {path}: {cause}. What was saved there before is untouched"
        ) from error


def tensor_bytes(content: object) -> int:
    """Count the bytes of all tensors in nested mappings and sequences."""
    if isinstance(content, Mapping):
        return sum(map(tensor_bytes, content.values()))
    if isinstance(content, list | tuple):
        return sum(map(tensor_bytes, content))
    # By its attribute: this is imported before torch is.
    return int(getattr(content, "nbytes", 0))


def check_writable(what: str, directory: Path) -> None:
    """Check before any work is done that a directory can be written.

    Raises:
        TrainingError: It cannot.
    """
    with saving(what, directory):
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / ".slipway-probe"
        probe.write_bytes(b"probe")
        probe.unlink(missing_ok=True)  # another host of the job may write there too
