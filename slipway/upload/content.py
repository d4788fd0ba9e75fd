"""A file's bytes, part by part, with the checksums that S3 is given and gives back."""

import base64
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from slipway.errors import UploadError

PART_BYTES = 16 * 1024 * 1024
"""Larger files go as parts of this size. It is always the same, because S3's checksum of the whole depends on it."""

MAX_PARTS = 10_000
"""S3's own limit."""


@dataclass(frozen=True)
class Part:
    """Some bytes of a file, in order."""

    content: bytes
    digest: bytes
    """SHA-256."""

    @property
    def checksum(self) -> str:
        """As S3's API writes it."""
        return base64.b64encode(self.digest).decode()


@contextmanager
def parts_of(path: Path) -> Iterator[Iterator[Part]]:
    """A file's parts, one for an empty file; an error when the file changes before the body ends.

    Raises:
        UploadError: It cannot be read, is too large for S3, or was changed meanwhile.
    """
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            if before.st_size > PART_BYTES * MAX_PARTS:
                raise UploadError(f"is larger than {PART_BYTES * MAX_PARTS / 1e9:.0f} GB, which is not sent")
            yield _parts(file, before.st_size)
            after = os.fstat(file.fileno())
    except OSError as error:
        raise UploadError(f"cannot be read: {error.strerror}") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UploadError("was changed while it was read")


def _parts(file: BinaryIO, size: int) -> Iterator[Part]:
    # Not to the end: a file that grows meanwhile may have none.
    for start in range(0, max(size, 1), PART_BYTES):
        content = file.read(min(PART_BYTES, size - start))
        yield Part(content, hashlib.sha256(content).digest())


def checksum_of(path: Path) -> str:
    """What S3 says of an object with this file's content that was sent as here.

    Raises:
        UploadError: As for `parts_of`.
    """
    with parts_of(path) as parts:
        digests = [part.digest for part in parts]
    whole = digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()
    return base64.b64encode(whole).decode()
