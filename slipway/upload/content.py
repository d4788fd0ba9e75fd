"""Reads a file part by part, with the checksums that S3 verifies and returns."""

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
"""Part size for larger files; constant, because S3's checksum of the whole object depends on it."""

MAX_PARTS = 10_000
"""S3's limit on the number of parts."""


@dataclass(frozen=True)
class Part:
    """A part of a file."""

    content: bytes
    digest: bytes
    """SHA-256 of the bytes."""

    @property
    def checksum(self) -> str:
        """The checksum in the form of S3's API."""
        return base64.b64encode(self.digest).decode()


@contextmanager
def parts_of(path: Path) -> Iterator[Iterator[Part]]:
    """Yield an iterator of a file's parts, one for an empty file, and check at the end that the file has not changed.

    Raises:
        UploadError: The file cannot be read, is too large for S3, or was changed meanwhile.
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
    # Not until the end of the file: a file that keeps growing may have none.
    for start in range(0, max(size, 1), PART_BYTES):
        content = file.read(min(PART_BYTES, size - start))
        yield Part(content, hashlib.sha256(content).digest())


def checksum_of(path: Path) -> str:
    """Compute S3's checksum of an object with this file's content, sent in these parts.

    Raises:
        UploadError: As for `parts_of`.
    """
    with parts_of(path) as parts:
        digests = [part.digest for part in parts]
    whole = digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()
    return base64.b64encode(whole).decode()
