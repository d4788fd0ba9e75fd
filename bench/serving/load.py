"""A load generator over kept-alive connections with prepared raw requests: a closed and an open loop.

In a closed loop each client waits for an answer before it asks again. In an open loop requests are sent at fixed times,
whatever happens to earlier ones, and latencies count from those times: a server that hangs is charged for all requests
that should have come meanwhile.
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
"""Status of a request without an answer: no connection, or it broke."""

# Before a client that lost its connection tries again.
_PAUSE_S = 0.05
_MOST_CONNECTIONS = 2000
_FEWEST = 5  # samples of a closed loop


@dataclass(frozen=True)
class Target:
    """A server's address and the requests to send."""

    port: int
    path: str
    headers: dict[str, str]
    bodies: list[str]
    """Files."""

    def requests(self) -> list[bytes]:
        """Build the raw requests."""
        made = []
        for file in self.bodies:
            body = Path(file).read_bytes()
            lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Content-Length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            made.append("\r\n".join([*lines, "", ""]).encode() + body)
        return made


@dataclass(frozen=True)
class Answer:
    """A server's answer; the status is `LOST` if there was none."""

    status: int
    body: bytes = b""


@dataclass
class Samples:
    """A sample for each request, in the order in which they ended; times by `time.monotonic()`."""

    start: list[float] = field(default_factory=list)
    """When it was sent; in an open loop, when it should have been."""
    end: list[float] = field(default_factory=list)
    status: list[int] = field(default_factory=list)

    def add(self, start: float, end: float, status: int) -> None:
        self.start.append(start)
        self.end.append(end)
        self.status.append(status)


class Connection(asyncio.Protocol):
    """A connection for one request at a time; opened when needed, and again after it was closed."""

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
        """Close the connection, if it is open."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's does not derive from this class.
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
    """Send every request once, one after the other."""
    connection = Connection(target.port)
    answers = [await connection.ask(request) for request in target.requests()]
    connection.close()
    return answers


async def closed_loop(
    port: int, requests: Sequence[bytes], *, concurrency: int, warm_s: float, seconds: float
) -> Samples:
    """Keep a number of requests in flight.

    Args:
        port: On this machine.
        requests: Sent in turn.
        concurrency: Number of clients.
        warm_s: Warm-up, not in the samples.
        seconds: Length, extended to the next answer and to a few samples; requests in flight are then awaited.

    Returns:
        Samples from the first answer after the warm-up to the first one after the end. That last answer belongs to the
        time that follows: the number of the others, divided by the time, is the rate, even if answers come in batches.
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
"""`random`: as from independent clients (a Poisson process)."""


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
        requests: Sent in turn.
        rate: Requests per second.
        warm_s: Warm-up, not in the samples.
        seconds: Length; requests in flight are then awaited.
        spacing: Of the times.
        while_there: A file; requests are sent as long as it exists, even beyond `seconds`.
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
