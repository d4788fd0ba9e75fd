"""Forms batches of the requests to one model, and sends them to its workers."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

from container.serve.front.load_shedding import LoadShedding
from container.serve.mms.client import DownError, LostError
from container.serve.protocol.replies import BUG, PENDING, TOO_LATE, Reply, RequestError
from container.serve.settings.logs import event

logger = logging.getLogger(__name__)

# Interval of retries while multi-model-server cannot be reached.
_AGAIN_S = 0.1

# Delay before a request whose slice is over gets the next one.
_NEXT_SLICE_S = 0.005

Send = Callable[[Sequence[bytes]], Awaitable[list[Reply]]]
"""Sends a batch and returns a reply for each request. Raises `DownError` if it reached nobody, else `RequestError`."""


@dataclass(eq=False, slots=True)
class Waiting:
    """A complete request that waits for its answer."""

    part: bytes
    """From `RequestHead.pack`."""
    deadline: float
    """Seconds of `time.monotonic()`."""
    answer: asyncio.Future[Reply]
    since: float = field(default_factory=time.monotonic)
    alone: bool = False
    """To be sent in a batch of its own."""

    def fail(self, error: RequestError) -> None:
        """Answer it with an error, unless it has been answered."""
        if not self.answer.done():
            self.answer.set_exception(error.anew())


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The rules by which batches are formed."""

    workers: int
    batch_size: int
    delay_s: float
    """How long the first request of a batch waits for others while a worker is free."""


class Batcher:
    """Sends requests at once while a worker is free. While all are busy, they wait here until a batch returns; only one
    full batch per worker is sent ahead. A request that waits here costs nothing if its client leaves."""

    def __init__(self, limits: Limits, send: Send) -> None:
        self._limits = limits
        self._send = send
        self._queue: OrderedDict[Waiting, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._sent = 0
        self._load_shedding = LoadShedding()
        self._wake: asyncio.TimerHandle | asyncio.Handle | None = None
        self._wake_at = 0.0
        self._held = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.used_at = time.monotonic()
        """When the last request was answered."""

    @property
    def idle(self) -> bool:
        """No request to this model is held."""
        return not self._held

    @property
    def waiting(self) -> int:
        """Requests that have not been sent."""
        return len(self._queue)

    @property
    def sent(self) -> int:
        """Requests that multi-model-server has."""
        return self._sent

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold a request, from its headers to its answer."""
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
        """Wait until no request to this model is held."""
        await self._idle.wait()

    def put(self, part: bytes, deadline: float) -> Waiting:
        """Accept a request.

        Args:
            part: From `RequestHead.pack`.
            deadline: By `time.monotonic()`.

        Returns:
            The request, whose `answer` will be a reply, or raise `RequestError`.

        Raises:
            RequestError: 503, it would not be answered in time.
        """
        self._load_shedding.refuse_if_too_late(self.waiting + self.sent, deadline)
        loop = asyncio.get_running_loop()
        waiting = Waiting(part, deadline, loop.create_future())
        timer = loop.call_later(max(0.0, deadline - waiting.since), waiting.fail, TOO_LATE)
        waiting.answer.add_done_callback(lambda _: self._answered(waiting, timer))
        self._queue[waiting] = None
        self._send_at(0.0)
        return waiting

    def _answered(self, waiting: Waiting, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        # It may still wait: it is late, or its client has left.
        self._queue.pop(waiting, None)

    def _send_at(self, at: float) -> None:
        """Schedule sending at `at`, by `time.monotonic()`; if that is past, once all that arrived together are here."""
        if self._wake and self._wake_at <= at:
            return
        if self._wake:
            self._wake.cancel()
        loop = asyncio.get_running_loop()
        self._wake_at = at
        wait = at - time.monotonic()
        self._wake = loop.call_later(wait, self._send_waiting) if wait > 0 else loop.call_soon(self._send_waiting)

    def _send_waiting(self) -> None:
        self._wake = None
        while self._queue and self._may_send():
            batch = self._next_batch()
            for waiting in batch:
                del self._queue[waiting]
            task = asyncio.get_running_loop().create_task(self._send_batch(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._in_flight += 1
            self._sent += len(batch)

    def _next_batch(self) -> list[Waiting]:
        """The requests to send next."""
        first = next(iter(self._queue))
        if first.alone:
            return [first]
        return list(islice((waiting for waiting in self._queue if not waiting.alone), self._limits.batch_size))

    def _may_send(self) -> bool:
        limits = self._limits
        full = len(self._queue) >= limits.batch_size
        if self._in_flight >= limits.workers:
            return full and self._in_flight < 2 * limits.workers
        if limits.delay_s and not full:
            ready_at = next(iter(self._queue)).since + limits.delay_s
            if time.monotonic() < ready_at:
                self._send_at(ready_at)
                return False
        return True

    async def _send_batch(self, batch: list[Waiting]) -> None:
        """Send a batch and hand out its replies."""
        sent_at = time.monotonic()
        error: RequestError | None = None
        replies: list[Reply] = []
        try:
            replies = await self._send([waiting.part for waiting in batch])
            if len(replies) != len(batch):
                error = BUG
        except RequestError as failure:
            error = failure
        except Exception:
            logger.exception(event("bug"))
            error = BUG
        # Send the next batch before these are answered.
        self._returned(batch, sent_at, error)
        if error is None:
            for waiting, reply in zip(batch, replies, strict=True):
                if reply.status == PENDING.status:
                    asyncio.get_running_loop().call_later(_NEXT_SLICE_S, self._again, waiting)
                elif not waiting.answer.done():
                    waiting.answer.set_result(reply)
        elif isinstance(error, LostError) and len(batch) > 1:
            # One of them may have ended the worker, and would do so again; retry each alone.
            for waiting in batch:
                waiting.alone = True
                self._again(waiting)
        elif not isinstance(error, DownError):
            for waiting in batch:
                waiting.fail(error)

    def _again(self, waiting: Waiting) -> None:
        if not waiting.answer.done():
            self._queue[waiting] = None
            self._send_at(0.0)

    def _returned(self, batch: list[Waiting], sent_at: float, error: RequestError | None) -> None:
        self._in_flight -= 1
        self._sent -= len(batch)
        if error is None and (self._queue or self._in_flight >= self._limits.workers):
            self._load_shedding.note(sent_at, len(batch))
        else:
            self._load_shedding.rest()
        if isinstance(error, DownError):
            self._put_back(batch)
            self._send_at(time.monotonic() + _AGAIN_S)
        else:
            self._send_waiting()

    def _put_back(self, batch: list[Waiting]) -> None:
        """Queue the requests of a batch that reached nobody again, ahead of all others."""
        for waiting in reversed(batch):
            if not waiting.answer.done():
                self._queue[waiting] = None
                self._queue.move_to_end(waiting, last=False)
