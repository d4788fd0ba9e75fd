"""Asking a server over kept-alive connections, by raw requests that were made before: a closed and an open loop.

In a closed loop so many clients each wait for an answer before they ask again. In an open loop requests are sent at
times that were fixed before, whatever has become of the earlier ones, and a latency counts from that time: a server
that hangs is charged for all who would have come meanwhile.
"""

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import httptools

LOST = 0
"""In place of a status: no connection, or it broke."""

# A client that could not connect does not try again at once.
_PAUSE_S = 0.05
_MOST_CONNECTIONS = 2000
_FEWEST = 5  # samples of a closed loop


@dataclass(frozen=True)
class Target:
    """Where requests go, and what they are."""

    port: int
    path: str
    headers: dict[str, str]
    bodies: list[str]
    """Files."""

    def requests(self) -> list[bytes]:
        """Ready to be sent."""
        made = []
        for file in self.bodies:
            body = Path(file).read_bytes()
            lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Content-Length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            made.append("\r\n".join([*lines, "", ""]).encode() + body)
        return made


@dataclass(frozen=True)
class Answer:
    """What came back; the status is `LOST` where nothing did."""

    status: int
    body: bytes = b""


@dataclass
class Samples:
    """One for each request, in the order of their ends; times by `time.monotonic()`."""

    start: list[float] = field(default_factory=list)
    """When it was sent; in an open loop, when it should have been."""
    end: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)

    def add(self, start: float, end: float, status: int) -> None:
        self.start.append(start)
        self.end.append(end)
        self.status.append(status)


class Connection(asyncio.Protocol):
    """One at a time; opened when it is first needed, and again after it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._body: list[bytes] = []
        self._last = False

    async def ask(self, request: bytes) -> Answer:
        """Send a request and wait for its answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self._body = []
        self._parser = httptools.HttpResponseParser(self)
        try:
            if self._transport is None or self._transport.is_closing():
                await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)
            if self._transport is not None:
                self._transport.write(request)
            return await self._answer
        except OSError:
            return Answer(LOST)

    def close(self) -> None:
        """Let go of it."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none by its class.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._finish(Answer(LOST))
            self.close()

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.close()
        self._finish(Answer(self._parser.get_status_code(), b"".join(self._body)))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._finish(Answer(LOST))

    def _finish(self, answer: Answer) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_result(answer)


async def ask_each(target: Target) -> list[Answer]:
    """Every request once, one after the other."""
    connection = Connection(target.port)
    answers = [await connection.ask(request) for request in target.requests()]
    connection.close()
    return answers


async def closed_loop(
    port: int, requests: Sequence[bytes], *, concurrency: int, warm_s: float, seconds: float
) -> Samples:
    """Keep so many requests under way.

    Args:
        port: On this machine.
        requests: To be sent in turn.
        concurrency: Clients.
        warm_s: So long it goes on first; nothing of that is in the samples.
        seconds: So long, until the next answer comes, and there are a few; what is under way then is waited for.

    Returns:
        Samples from the first end after the warm-up to the first one after the time is over: to the last, which belongs
        to the time that follows, answers divided by their time are the rate, even where they come in batches.
    """
    samples = Samples()
    from_s = time.monotonic() + warm_s
    until_s = from_s + seconds
    over = False

    async def client(number: int) -> None:
        nonlocal over
        connection = Connection(port)
        turn = number
        while not over:
            start = time.monotonic()
            answer = await connection.ask(requests[turn % len(requests)])
            turn += concurrency
            end = time.monotonic()
            if from_s <= end and not over:
                samples.add(start, end, answer.status)
                over = end >= until_s and len(samples.end) >= _FEWEST
            if answer.status == LOST:
                await asyncio.sleep(_PAUSE_S)
        connection.close()

    await asyncio.gather(*(client(number) for number in range(concurrency)))
    return samples


Spacing = Literal["even", "random"]
"""`random`: as independent clients come (a Poisson process)."""


async def open_loop(
    port: int,
    requests: Sequence[bytes],
    *,
    rate: float,
    warm_s: float,
    seconds: float,
    spacing: Spacing = "even",
    while_there: str | None = None,
) -> Samples:
    """Send requests at fixed times.

    Args:
        port: On this machine.
        requests: To be sent in turn.
        rate: Requests in a second.
        warm_s: So long it goes on first; nothing of that is in the samples.
        seconds: So long; what is under way then is waited for.
        spacing: Of the times.
        while_there: A file; as long as it is there, requests are sent, however long that is.
    """
    samples = Samples()
    idle: list[Connection] = []
    free = asyncio.Semaphore(_MOST_CONNECTIONS)
    start_s = time.monotonic()

    async def one(turn: int, due: float) -> None:
        async with free:
            connection = idle.pop() if idle else Connection(port)
            answer = await connection.ask(requests[turn % len(requests)])
            idle.append(connection)
        if due >= start_s + warm_s:
            samples.add(due, time.monotonic(), answer.status)

    under_way: set[asyncio.Task[None]] = set()
    for turn, due in enumerate(_times(start_s, rate, spacing)):
        if due > start_s + warm_s + seconds and not (while_there and Path(while_there).exists()):
            break
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        task = asyncio.create_task(one(turn, due))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    await asyncio.gather(*under_way)
    for connection in idle:
        connection.close()
    return samples


def _times(start_s: float, rate: float, spacing: Spacing) -> Iterator[float]:
    gaps = random.Random(0)  # noqa: S311 - arrivals are no secret
    due = start_s
    while True:
        yield due
        due += 1 / rate if spacing == "even" else gaps.expovariate(rate)
