"""Admission control: limits on the requests that the front holds, and on the bytes of their bodies."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

from container.serve.protocol.replies import RequestError


class HeldRequest:
    """A request that is held, and how much of it has arrived."""

    __slots__ = ("_admission", "complete_at", "size")

    def __init__(self, admission: "AdmissionControl") -> None:
        self._admission = admission
        self.size = 0
        """Bytes of the body so far."""
        self.complete_at: float | None = None
        """When it had fully arrived, by `time.monotonic()`."""

    def take(self, size: int) -> None:
        """Count bytes of the body.

        Raises:
            RequestError: 503, too many bytes are held.
        """
        self._admission.take(size)
        self.size += size

    def enter(self) -> None:
        """Count the request as complete from now on.

        Raises:
            RequestError: 503, too many requests are held.
        """
        self._admission.enter()
        self.complete_at = time.monotonic()


class AdmissionControl:
    """Counts complete requests and the bytes of all bodies, and refuses what exceeds either limit."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._bytes = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self.requests = 0
        """Complete requests that are held."""
        self.arriving = 0
        """Requests whose body is still arriving."""

    @contextmanager
    def hold(self) -> Iterator[HeldRequest]:
        """Hold a request from its headers to its answer."""
        held = HeldRequest(self)
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
        """Bytes of all bodies that are held."""
        return self._bytes

    def enter(self) -> None:
        """Count an arriving request as complete; see `HeldRequest.enter`."""
        if self.requests >= self._max_requests:
            raise RequestError(503, f"the server holds {self.requests} requests and takes no more now; try again")
        self.requests += 1
        self.arriving -= 1

    def take(self, size: int) -> None:
        """Count bytes of a body; see `HeldRequest.take`."""
        if self._bytes + size > self._max_bytes:
            raise RequestError(503, "the server's request buffer is full; try again")
        self._bytes += size

    async def until_empty(self) -> None:
        """Wait until no request is held."""
        await self._empty.wait()
