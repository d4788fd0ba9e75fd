"""A request's body in memory that the front shares with a worker.

Messages through multi-model-server only say where the body is, so that it is neither copied on the way nor held in
Java's heap. A worker runs as the same user as the front, and so may open the front's files (see proc_pid_fd(5)).
"""

import errno
import os
import secrets
from collections.abc import Sequence
from typing import NamedTuple, Self

# The key tells a body from a later one under the same descriptor.
_KEY_BYTES = 8

# The limit of writev (IOV_MAX).
_PIECES = 1024


class GoneError(Exception):
    """The body has been closed: nobody waits for the answer any more."""


class Address(NamedTuple):
    """The address of a body."""

    pid: int
    descriptor: int
    key: str
    """Unique to this body, in hexadecimal."""


class MemoryFile:
    """A body, which exists until it is closed or the process ends."""

    def __init__(self, body: Sequence[bytes]) -> None:
        """
        Args:
            body: In pieces.

        Raises:
            OSError: The process has too many open files, or there is no memory.
        """
        key = secrets.token_bytes(_KEY_BYTES)
        self._descriptor = os.memfd_create("slipway-body")
        self.address = Address(os.getpid(), self._descriptor, key.hex())
        self.size = sum(map(len, body))
        """Size of the body in bytes."""
        try:
            self._write([key, *body])
        except OSError:
            self.close()
            raise

    def _write(self, pieces: list[bytes]) -> None:
        for start in range(0, len(pieces), _PIECES):
            some = [memoryview(piece) for piece in pieces[start : start + _PIECES]]
            while some:
                written = os.writev(self._descriptor, some)
                while some and written >= len(some[0]):
                    written -= len(some.pop(0))
                if some:
                    some[0] = some[0][written:]

    def close(self) -> None:
        """Close it. A reader that already has it open keeps access."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(address: Address) -> bytes:
    """Read a body that another process holds.

    Raises:
        GoneError: It has been closed.
        OSError: It cannot be opened.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(f"/proc/{address.pid}/fd/{address.descriptor}", flags)
    except OSError as error:
        # The descriptor is closed, or is now a connection.
        if error.errno in (errno.ENOENT, errno.ENXIO):
            raise GoneError from None
        raise
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if file.read(_KEY_BYTES) != bytes.fromhex(address.key):
            raise GoneError
        return file.readall()
