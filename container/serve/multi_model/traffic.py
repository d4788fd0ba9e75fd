"""Which of many models are busy, as the front sees it, and how much multi-model-server has of each."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from container.serve.gate import Window
from container.serve.state import HeldModel


class Lane:
    """The requests to one model."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.used_at = time.monotonic()
        self._requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def idle(self) -> bool:
        return self._requests == 0

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Count a request, from its headers to its answer."""
        self._requests += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._requests -= 1
            self.used_at = time.monotonic()
            if self.idle:
                self._idle.set()

    async def until_idle(self) -> None:
        await self._idle.wait()


class Traffic:
    """A lane for every model that had a request since it was loaded."""

    def __init__(self, *, workers: int, max_bytes: int) -> None:
        self._workers = workers
        self._max_bytes = max_bytes
        self._lanes: dict[str, Lane] = {}

    def lane(self, model: HeldModel) -> Lane:
        """A batch that is worked on and one that waits, for every worker of the model, may be with it at once."""
        if model.key not in self._lanes:
            window = Window(max_requests=2 * self._workers * model.batch_size, max_bytes=self._max_bytes)
            self._lanes[model.key] = Lane(window)
        return self._lanes[model.key]

    def forget(self, model: HeldModel) -> None:
        """The model is gone; requests that still hold its lane finish with it."""
        self._lanes.pop(model.key, None)
