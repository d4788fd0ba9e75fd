"""A client's connection: uvicorn's HTTP/1.1, and what it lacks where clients are slow, endless or many."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from container.serve.config import MEBIBYTE
from container.serve.replies import Reply
from container.serve.request_id import new_request_id

HEADERS_S = 10.0
"""From a request's first byte until the last of its headers."""
MAX_HEADER_BYTES = 65536

# What a client still sends after it was refused is read for so long, and so much of it, so that it gets to read why.
_LINGER_S = 5.0
_LINGER_BYTES = 64 * MEBIBYTE


class Connection(HttpToolsProtocol):
    """Adds to uvicorn's protocol:

    - A request's headers arrive within `HEADERS_S`, or it is answered 408; they are at most `MAX_HEADER_BYTES`, or it
      is answered 431.
    - A connection on which no request has begun is closed like one that is kept alive.
    - More connections than `most` are answered 503.
    - Where a request is answered before all of it has arrived, the rest is not read for ever.
    - Whoever answers a request can have itself told that the client left, without waiting for it: the application
      finds an `Exchange` as `scope["state"]["exchange"]`.
    """

    most = 0
    """Connections at once."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._in_headers = False
        self._header_bytes = 0
        self._headers_timer: asyncio.TimerHandle | None = None
        self._left_to_drop: int | None = None
        self.when_gone: Callable[[], object] | None = None
        """Called when the client leaves."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse(503, "the server has as many connections as it can; try again")
            transport.close()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_headers_timer()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        if self.when_gone:
            self.when_gone()

    def data_received(self, data: bytes) -> None:
        if self._left_to_drop is not None:
            self._left_to_drop -= len(data)
            if self._left_to_drop < 0:
                self.transport.close()
            return
        super().data_received(data)
        if self._in_headers or not self.cycle or self.cycle.response_complete:
            # Empty lines may come before a request, and do not begin one; nor may they come for ever.
            self._look_at_headers(len(data))
        elif self._headers_timer:
            self._stop_headers_timer()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._header_bytes = 0
        super().on_headers_complete()
        # The task that answers has been made, but has not run yet.
        exchange = Exchange(self)
        self.scope["state"]["exchange"] = exchange
        self.cycle.transport = exchange  # type: ignore[assignment]

    def _look_at_headers(self, size: int) -> None:
        if self.transport.is_closing():
            return
        self._header_bytes += size
        if self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(431, f"the request's headers are longer than {MAX_HEADER_BYTES} bytes")
        elif not self._headers_timer:
            self._headers_timer = self.loop.call_later(HEADERS_S, self._headers_are_late)

    def _headers_are_late(self) -> None:
        self._headers_timer = None
        if self.cycle and not self.cycle.response_complete:
            # The next request of a pipeline; while one is answered, nothing more need be read.
            self._headers_timer = self.loop.call_later(HEADERS_S, self._headers_are_late)
        elif not self.transport.is_closing():
            self._refuse(408, f"the request's headers did not arrive within {HEADERS_S:.0f} seconds")

    def _stop_headers_timer(self) -> None:
        if self._headers_timer:
            self._headers_timer.cancel()
            self._headers_timer = None

    def _refuse(self, status: int, message: str) -> None:
        """Answer what never became a request that the application could answer."""
        if self.cycle and not self.cycle.response_complete:
            # The one before it would get this answer.
            self.transport.close()
            return
        request_id = new_request_id()
        body = Reply.error(status, message, request_id).body
        again = "retry-after: 1\r\n" if status == 503 else ""
        head = (
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\n{again}connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.linger()

    def linger(self) -> None:
        """Close in a moment: closing at once, while the client still sends, would take the answer from it."""
        self._in_headers = False
        self._stop_headers_timer()
        self._left_to_drop = _LINGER_BYTES
        if self.transport.is_closing():
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(_LINGER_S, self.transport.close)


_PHRASES = {
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class Exchange:
    """One request and its answer on a connection; for uvicorn it is the transport of that answer."""

    __slots__ = ("_connection", "_cycle", "get_extra_info", "is_closing", "write")

    def __init__(self, connection: Connection) -> None:
        transport = connection.transport
        self._connection = connection
        self._cycle = connection.cycle
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info

    @property
    def is_complete(self) -> bool:
        """All of the request has arrived."""
        return not self._cycle.more_body

    def watch(self, when_gone: Callable[[], object] | None) -> None:
        """Have `when_gone` called when the client leaves, at once if it has left; None: no more."""
        connection = self._connection
        connection.when_gone = when_gone
        if when_gone and self.is_closing():
            when_gone()
        elif when_gone and not connection.pipeline:
            # Where nothing is read, it is not seen that the client leaves.
            connection.flow.resume_reading()

    def close(self) -> None:
        """After the answer: no request follows."""
        if self.is_complete:
            self._connection.transport.close()
        else:
            self._connection.linger()
