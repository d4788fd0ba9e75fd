"""The requests to one model: they wait here, and go to its workers in bundles, which are the model's batches."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from container.serve.client import DownError
from container.serve.logs import event
from container.serve.pace import Pace
from container.serve.replies import BUG, TOO_LATE, Reply, RequestError

logger = logging.getLogger(__name__)

# So often is it tried again to reach multi-model-server where that is not there.
_AGAIN_S = 0.1

Send = Callable[[Sequence[bytes]], Awaitable[list[Reply]]]
"""Sends a bundle and returns a reply for each. Raises `DownError` where nobody has got it, else `RequestError`."""


@dataclass(eq=False, slots=True)
class Waiting:
    """A complete request."""

    part: bytes
    """By `RequestHead.pack`."""
    deadline: float
    """By `time.monotonic()`."""
    answer: asyncio.Future[Reply]
    since: float = field(default_factory=time.monotonic)

    def fail(self, error: RequestError) -> None:
        """Answer it by an error, unless it is answered."""
        if not self.answer.done():
            self.answer.set_exception(error.anew())


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How bundles are formed."""

    workers: int
    batch_size: int
    delay_s: float
    """How long the first of a bundle waits for others while a worker is free."""


class Lane:
    """Sends at once what waits while a worker is free. While all are busy, requests wait here, where one whose client
    leaves costs nothing, until a bundle returns; one bundle per worker goes ahead, if it is full."""

    def __init__(self, limits: Limits, send: Send) -> None:
        self._limits = limits
        self._send = send
        self._queue: OrderedDict[Waiting, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._sent = 0
        self._pace = Pace()
        self._wake: asyncio.TimerHandle | asyncio.Handle | None = None
        self._wake_at = 0.0
        self._held = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.used_at = time.monotonic()
        """When the last request was answered."""

    @property
    def idle(self) -> bool:
        """Nobody asks this model anything."""
        return not self._held

    @property
    def waiting(self) -> int:
        """Requests that wait here."""
        return len(self._queue)

    @property
    def sent(self) -> int:
        """Requests that are with multi-model-server."""
        return self._sent

    @contextmanager
    def held(self) -> Iterator[None]:
        """Count a request, from its headers to its answer."""
        self._held += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._held -= 1
            self.used_at = time.monotonic()
            if self.idle:
                self._idle.set()

    async def until_idle(self) -> None:
        """Wait until nobody asks this model anything."""
        await self._idle.wait()

    def put(self, part: bytes, deadline: float) -> Waiting:
        """Take a request on.

        Args:
            part: By `RequestHead.pack`.
            deadline: By `time.monotonic()`.

        Returns:
            Its `answer` will be a reply, or raise `RequestError`.

        Raises:
            RequestError: 503, it could not be answered in time.
        """
        self._pace.refuse_if_hopeless(self.waiting + self.sent, deadline)
        loop = asyncio.get_running_loop()
        waiting = Waiting(part, deadline, loop.create_future())
        timer = loop.call_later(max(0.0, deadline - waiting.since), waiting.fail, TOO_LATE)
        waiting.answer.add_done_callback(lambda _: self._answered(waiting, timer))
        self._queue[waiting] = None
        self._look_at(0.0)
        return waiting

    def _answered(self, waiting: Waiting, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        # Late, or its client has left.
        self._queue.pop(waiting, None)

    def _look_at(self, at: float) -> None:
        """See what can be sent: at `at`, by `time.monotonic()`, or when those that came together are all here."""
        if self._wake and self._wake_at <= at:
            return
        if self._wake:
            self._wake.cancel()
        loop = asyncio.get_running_loop()
        self._wake_at = at
        wait = at - time.monotonic()
        self._wake = loop.call_later(wait, self._look) if wait > 0 else loop.call_soon(self._look)

    def _look(self) -> None:
        self._wake = None
        while self._queue and self._may_send():
            bundle = list(islice(self._queue, self._limits.batch_size))
            for waiting in bundle:
                del self._queue[waiting]
            task = asyncio.get_running_loop().create_task(self._carry(bundle))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._in_flight += 1
            self._sent += len(bundle)

    def _may_send(self) -> bool:
        limits = self._limits
        full = len(self._queue) >= limits.batch_size
        if self._in_flight >= limits.workers:
            return full and self._in_flight < 2 * limits.workers
        if limits.delay_s and not full:
            ready_at = next(iter(self._queue)).since + limits.delay_s
            if time.monotonic() < ready_at:
                self._look_at(ready_at)
                return False
        return True

    async def _carry(self, bundle: list[Waiting]) -> None:
        """Send a bundle and hand out what comes back."""
        sent_at = time.monotonic()
        error: RequestError | None = None
        replies: list[Reply] = []
        try:
            replies = await self._send([waiting.part for waiting in bundle])
            if len(replies) != len(bundle):
                error = BUG
        except RequestError as failure:
            error = failure
        except Exception:
            logger.exception(event("bug"))
            error = BUG
        # Before these are answered, the next bundle is on its way.
        self._returned(bundle, sent_at, error)
        if error is None:
            for waiting, reply in zip(bundle, replies, strict=True):
                if not waiting.answer.done():
                    waiting.answer.set_result(reply)
        elif not isinstance(error, DownError):
            for waiting in bundle:
                waiting.fail(error)

    def _returned(self, bundle: list[Waiting], sent_at: float, error: RequestError | None) -> None:
        self._in_flight -= 1
        self._sent -= len(bundle)
        if error is None and (self._queue or self._in_flight >= self._limits.workers):
            self._pace.note(sent_at, len(bundle))
        else:
            self._pace.rest()
        if isinstance(error, DownError):
            self._put_back(bundle)
            self._look_at(time.monotonic() + _AGAIN_S)
        else:
            self._look()

    def _put_back(self, bundle: list[Waiting]) -> None:
        """Nobody has got them; they wait, first in line, until there is somebody or their time is up."""
        for waiting in reversed(bundle):
            if not waiting.answer.done():
                self._queue[waiting] = None
                self._queue.move_to_end(waiting, last=False)
