"""A request's body in memory that the front shares with a worker.

What goes through multi-model-server says only where it is: no body is copied on the way, nor held in Java's heap.
A worker runs as the same user as the front, and so may open what the front has open (see proc_pid_fd(5)).
"""

import errno
import os
import secrets
from collections.abc import Sequence
from typing import NamedTuple, Self

# The front may have let go of the file, and a later one may have its number.
_KEY_BYTES = 8

# The most pieces that one writev takes (IOV_MAX).
_PIECES = 1024


class GoneError(Exception):
    """There is no such body any more: nobody waits for the answer."""


class Address(NamedTuple):
    """Where a body is."""

    pid: int
    descriptor: int
    key: str
    """Of this body alone, hexadecimal."""


class MemoryFile:
    """A body; it is there until it is closed, or the process ends."""

    def __init__(self, body: Sequence[bytes]) -> None:
        """
        Args:
            body: In pieces.

        Raises:
            OSError: The process has as many files open as it may, or there is no memory.
        """
        key = secrets.token_bytes(_KEY_BYTES)
        self._descriptor = os.memfd_create("slipway-body")
        self.address = Address(os.getpid(), self._descriptor, key.hex())
        self.size = sum(map(len, body))
        """Bytes of the body."""
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
        """Let go of it. Who has opened it already may read on."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read(address: Address) -> bytes:
    """A body, in another process than the one that holds it.

    Raises:
        GoneError: It has been let go of.
        OSError: It may not be opened.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(f"/proc/{address.pid}/fd/{address.descriptor}", flags)
    except OSError as error:
        # Nothing has this number, or a connection has it.
        if error.errno in (errno.ENOENT, errno.ENXIO):
            raise GoneError from None
        raise
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if file.read(_KEY_BYTES) != bytes.fromhex(address.key):
            raise GoneError
        return file.readall()
