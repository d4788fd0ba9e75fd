"""How much the front takes on: requests and bytes that it holds, and how many of them multi-model-server has."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from container.serve.config import MEBIBYTE
from container.serve.replies import RequestError


def most_bytes(memory_bytes: int, max_body_bytes: int) -> int:
    """How many bytes of bodies the front may hold, of a machine's memory; one body fits in any case."""
    return max(memory_bytes // 8, max_body_bytes + MEBIBYTE)


class Gate:
    """Counts the requests that are held, and the bytes of their bodies; what goes beyond either is refused."""

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._bytes = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self.requests = 0
        """Held now."""

    def enter(self, *, always: bool = False) -> None:
        """Take a request; `always` is for one without a body to speak of.

        Raises:
            RequestError: 503, as many are held as may be.
        """
        if self.requests >= self._max_requests and not always:
            raise RequestError(503, f"the server holds {self.requests} requests and takes no more now; try again")
        self.requests += 1
        self._empty.clear()

    def take(self, size: int) -> None:
        """Count bytes of a body.

        Raises:
            RequestError: 503, too many are held.
        """
        if self._bytes + size > self._max_bytes:
            raise RequestError(503, "the server holds as many bytes of requests as it may; try again")
        self._bytes += size

    def leave(self, size: int) -> None:
        """Let go of a request and of `size` bytes of it."""
        self._bytes -= size
        self.requests -= 1
        if self.requests == 0:
            self._empty.set()

    async def until_empty(self) -> None:
        """Wait until no request is held."""
        await self._empty.wait()


class Window:
    """Lets requests through in order, so many and so many bytes at once; the others wait here.

    A request that waits here is forgotten the moment its client leaves. One that multi-model-server has got is
    worked on whether anybody waits for it or not.
    """

    def __init__(self, *, max_requests: int, max_bytes: int) -> None:
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._requests = 0
        self._bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def slot(self, size: int) -> AsyncIterator[None]:
        """Hold a place for a body of `size` bytes. One that is larger than all the window goes through alone."""
        if self._waiting or not self._fits(size):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((size, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.cancelled() or not turn.done():
                    self._waiting.remove((size, turn))
                    self._admit()
                else:
                    self._release(size)
                raise
        else:
            self._hold(size)
        try:
            yield
        finally:
            self._release(size)

    def _fits(self, size: int) -> bool:
        if self._requests == 0:
            return True
        return self._requests < self._max_requests and self._bytes + size <= self._max_bytes

    def _hold(self, size: int) -> None:
        self._requests += 1
        self._bytes += size

    def _release(self, size: int) -> None:
        self._requests -= 1
        self._bytes -= size
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            size, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._hold(size)
                turn.set_result(None)
