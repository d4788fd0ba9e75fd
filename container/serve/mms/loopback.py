"""A minimal HTTP/1.1 client for a server on this machine, with kept-alive connections.

It does no more than multi-model-server needs, because every request to a model passes through it.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Self, cast

import httptools

_ADDRESS = "127.0.0.1"


class NotConnectedError(Exception):
    """Nothing listens on the port."""


class BrokenError(Exception):
    """The connection closed before the answer was complete, or the answer was not HTTP."""


@dataclass
class Answer:
    """An HTTP response."""

    status: int = 0
    content_type: str = ""
    pieces: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)

    @property
    def text(self) -> str:
        """The body as text, on one line."""
        return " ".join(self.body.decode(errors="replace").split())


class Loopback:
    """A pool of connections by port, as large as the number of concurrent requests."""

    def __init__(self) -> None:
        self._idle: defaultdict[int, list[_Connection]] = defaultdict(list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    async def ask(self, method: str, port: int, target: str, body: bytes = b"") -> Answer:
        """Send a request and wait for its answer; cancelling the call closes the connection.

        Args:
            method: HTTP method.
            port: Port on the loopback address.
            target: Path and query, encoded.
            body: Any bytes.

        Raises:
            NotConnectedError: The request was not sent.
            BrokenError: It may have been received.
        """
        idle = self._idle[port]
        connection = idle.pop() if idle else await self._connect(port)
        try:
            answer = await connection.ask(
                b"%b %b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n%b"
                % (method.encode(), target.encode(), _ADDRESS.encode(), len(body), body)
            )
        except BaseException:
            connection.close()
            raise
        if connection.is_open:
            idle.append(connection)
        return answer

    async def _connect(self, port: int) -> "_Connection":
        def new() -> _Connection:
            return _Connection(self._idle[port])

        try:
            _, connection = await asyncio.get_running_loop().create_connection(new, _ADDRESS, port)
        except OSError as error:
            raise NotConnectedError from error
        return connection


class _Connection(asyncio.Protocol):
    """A connection, for one request at a time."""

    def __init__(self, idle: "list[_Connection]") -> None:
        self._idle = idle
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._done: asyncio.Future[Answer] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it can take another request."""
        return self._transport is not None and not self._transport.is_closing()

    async def ask(self, request: bytes) -> Answer:
        """See `Loopback.ask`."""
        if self._transport is None:
            raise NotConnectedError
        self._answer = Answer()
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._done

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport does not inherit from asyncio.Transport.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self._answer.content_type = value.decode("latin-1").strip()

    def on_body(self, data: bytes) -> None:
        self._answer.pieces.append(data)

    def on_message_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()
        if not self._parser.should_keep_alive():
            self.close()
        if self._done and not self._done.done():
            self._done.set_result(self._answer)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if self in self._idle:
            self._idle.remove(self)
        if self._done and not self._done.done():
            self._done.set_exception(BrokenError())
