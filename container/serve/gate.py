"""How much the front takes on: requests, and bytes of their bodies."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from container.serve.config import MEBIBYTE
from container.serve.replies import RequestError


def most_bytes(memory_bytes: int, max_body_bytes: int) -> int:
    """How many bytes of bodies the front may hold, of a machine's memory; one body fits in any case."""
    return max(memory_bytes // 8, max_body_bytes + MEBIBYTE)


class Held:
    """A request that is held: what of it is here."""

    __slots__ = ("_gate", "complete_at", "size")

    def __init__(self, gate: "Gate") -> None:
        self._gate = gate
        self.size = 0
        """Bytes of the body so far."""
        self.complete_at: float | None = None
        """When all of it was here, by `time.monotonic()`."""

    def take(self, size: int) -> None:
        """Count bytes of the body.

        Raises:
            RequestError: 503, too many are held.
        """
        self._gate.take(size)
        self.size += size

    def enter(self) -> None:
        """The request is complete, and counts as one from now on.

        Raises:
            RequestError: 503, as many are held as may be.
        """
        self._gate.enter()
        self.complete_at = time.monotonic()


class Gate:
    """Counts the complete requests that are held, and the bytes of all bodies; what goes beyond either is refused."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._bytes = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self.requests = 0
        """Complete ones, held now."""
        self.arriving = 0
        """Those whose body is still on its way."""

    @contextmanager
    def holding(self) -> Iterator[Held]:
        """Hold a request from its headers to its answer."""
        held = Held(self)
        self.arriving += 1
        self._empty.clear()
        try:
            yield held
        finally:
            self._bytes -= held.size
            if held.complete_at is not None:
                self.requests -= 1
            else:
                self.arriving -= 1
            if not self.requests and not self.arriving:
                self._empty.set()

    @property
    def held_bytes(self) -> int:
        """Of all bodies."""
        return self._bytes

    def enter(self) -> None:
        """Count one of those that were arriving as complete; see `Held.enter`."""
        if self.requests >= self._max_requests:
            raise RequestError(503, f"the server holds {self.requests} requests and takes no more now; try again")
        self.requests += 1
        self.arriving -= 1

    def take(self, size: int) -> None:
        """Count bytes of a body; see `Held.take`."""
        if self._bytes + size > self._max_bytes:
            raise RequestError(503, "the server holds as many bytes of requests as it may; try again")
        self._bytes += size

    async def until_empty(self) -> None:
        """Wait until no request is held."""
        await self._empty.wait()
