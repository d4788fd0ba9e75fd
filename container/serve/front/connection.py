"""A client's connection: uvicorn's HTTP/1.1, with limits for clients that are slow, endless or many."""

import asyncio
import logging
import select
import socket
from collections.abc import Callable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from container.serve.front.exchange import Exchange
from container.serve.front.request_id import new_request_id
from container.serve.protocol.replies import Reply, RequestError
from container.serve.settings.config import MEBIBYTE
from container.serve.settings.logs import event

HEADERS_S = 10.0
"""From a request's first byte until the last of its headers."""
MAX_HEADER_BYTES = 65536

# A colon, a space and the end of a line.
_BESIDE_FIELD = 4

# After a refusal, this much of what the client still sends is read, for this long, so that it gets to read why.
_LINGER_S = 5.0
_LINGER_BYTES = 64 * MEBIBYTE

# How long after a half-close the first probe is sent.
_PROBE_S = 0.25

_NOT_HTTP = "this is not an HTTP/1.1 request; the connection is closed"

logger = logging.getLogger(__name__)


class Connection(HttpToolsProtocol):
    """uvicorn's protocol, with what it lacks.

    - 408 unless a request's headers arrive within `HEADERS_S`, and 431 if they exceed `MAX_HEADER_BYTES`. The same
      bound holds for a chunked body's trailers, which are dropped.
    - A connection on which no request has begun times out like one that is kept alive.
    - 503 for more connections than `most`.
    - After an early answer, the rest of the request is read only up to a limit.
    - A client that has only stopped sending (half-close) gets its answer; see `eof_received`.
    - An offer to upgrade the connection is ignored, and the request answered by HTTP/1.1.
    - 400 for what is not HTTP, after the answers to the requests before it.
    - The application can register a disconnect callback with the `Exchange` in `scope["state"]["exchange"]`.
    """

    most = 0
    """Concurrent connections."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._in_headers = False
        self._in_body = False
        self._header_bytes = 0
        self._field_bytes = 0
        self._silent_bytes = 0
        self._headers_timer: asyncio.TimerHandle | None = None
        self._left_to_drop: int | None = None
        self._refusal: RequestError | None = None
        self._half_closed = False
        self._probe_timer: asyncio.TimerHandle | None = None
        self._when_gone: Callable[[], object] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            self._refuse(RequestError(503, "the server has no room for another connection; try again"))
            transport.close()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_headers_timer()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        when_gone = self._when_gone
        self.watch(None)
        if when_gone:
            when_gone()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep the connection until the complete requests are answered.

        A client that has closed its connection looks like one that has only stopped sending (half-closed) until
        something is written to it, which makes the former reset the connection. So an end after a complete request is
        taken for a half-close, and `_probe` finds out while the request waits. A client that stops within its only
        request is gone.
        """
        cycle = self.cycle
        if self.transport.is_closing() or not cycle or cycle.response_complete:
            return False
        if self._in_body and self._left_to_drop is None:
            if not self.pipeline:
                return False
            self._fail(RequestError(400, "the client stopped sending within this request"))
        elif not self._refusal:
            cycle.keep_alive = False
        self._half_closed = True
        self.watch(self._when_gone)
        return True

    def watch(self, when_gone: Callable[[], object] | None) -> None:
        """Call `when_gone` when the client disconnects; None cancels that."""
        self._when_gone = when_gone
        if self._probe_timer:
            self._probe_timer.cancel()
            self._probe_timer = None
        if when_gone and self._half_closed:
            self._probe_timer = self.loop.call_later(_PROBE_S, self._probe, _PROBE_S)

    def _probe(self, passed_s: float) -> None:
        """Drop a client that has closed its connection; see `eof_received`.

        It writes an interim response, which any client but one of HTTP/1.0 accepts (RFC 9110, 15.2), at growing
        intervals.
        """
        if _is_reset(self.transport.get_extra_info("socket")):
            self.transport.abort()
            return
        if self.cycle.scope["http_version"] == "1.1":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._probe_timer = self.loop.call_later(2 * passed_s, self._probe, 2 * passed_s)

    def data_received(self, data: bytes) -> None:
        if self._left_to_drop is not None:
            self._left_to_drop -= len(data)
            if self._left_to_drop < 0:
                self.transport.close()
            return
        self._unset_keepalive_if_required()
        try:
            rest: bytes | memoryview = data
            while rest:
                rest = self._feed(rest)
        except (httptools.HttpParserError, RequestError) as error:
            # An exception raised by a callback is the context of the parser's own error.
            cause = error if isinstance(error, RequestError) else error.__context__
            self._fail(cause if isinstance(cause, RequestError) else RequestError(400, _NOT_HTTP))
            return
        if self._in_headers or not self.cycle or self.cycle.response_complete:
            # Empty lines may precede a request without beginning one; the timer bounds them.
            self._await_headers()
        elif self._headers_timer:
            self._stop_headers_timer()

    def _feed(self, data: bytes | memoryview) -> bytes | memoryview:
        """Feed the parser, headers up to their limit only; returns what is left to parse."""
        part = data
        if self._in_body:
            self._silent_bytes += len(data)
        else:
            room = MAX_HEADER_BYTES - self._header_bytes
            if not room:
                raise self._too_long()
            if len(data) > room:
                part = memoryview(data)[:room]
            self._header_bytes += len(part)
        try:
            self.parser.feed_data(part)
        except httptools.HttpParserUpgrade as stop:
            self._ignore_upgrade()
            return memoryview(data)[stop.args[0] :]
        if self._in_body and self._field_bytes + self._silent_bytes > MAX_HEADER_BYTES:
            # So much without a byte of the body: an endless trailer, which the parser buffers, or chunk extension.
            raise self._too_long()
        return memoryview(data)[len(part) :] if len(part) < len(data) else b""

    def _count_field(self, size: int) -> None:
        """Count the parsed bytes of headers or trailers, also those that begin in the middle of other data."""
        self._field_bytes += size
        if self._field_bytes > MAX_HEADER_BYTES:
            raise self._too_long()

    def _too_long(self) -> RequestError:
        what = "trailers" if self._in_body else "headers"
        return RequestError(431, f"the request's {what} are longer than {MAX_HEADER_BYTES} bytes")

    def _ignore_upgrade(self) -> None:
        """Parse the headers again without Upgrade, which a server may ignore (RFC 9110, 7.8).

        The parser would take what follows for another protocol, and has no switch for that. Java's HttpClient offers
        h2c with every request, also with a body.
        """
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        self._field_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count_field(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_field(len(name) + len(value) + _BESIDE_FIELD)
        if self._in_body:
            # A trailer. Among the headers, it would change what the request says.
            self._silent_bytes = 0
        else:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._silent_bytes = 0
        super().on_body(body)

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise RequestError(400, "CONNECT is for proxies, and this server is not one")
            return
        super().on_headers_complete()
        self._in_headers = False
        self._in_body = True
        self._header_bytes = self._field_bytes = self._silent_bytes = 0
        # The task that answers has been created, but has not run yet.
        exchange = Exchange(self)
        self.scope["state"]["exchange"] = exchange
        self.cycle.transport = exchange  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._refusal and self.cycle.response_complete and not self.transport.is_closing():
            self._refuse(self._refusal)

    def _fail(self, error: RequestError) -> None:
        """Stop parsing, and send this error once the requests before it are answered."""
        self._in_headers = False
        self._stop_headers_timer()
        self._left_to_drop = _LINGER_BYTES
        if not self.cycle or self.cycle.response_complete:
            if self._in_body:
                # The request was answered before it had fully arrived.
                self.transport.close()
            else:
                self._refuse(error)
        elif self._in_body:
            self.cycle.keep_alive = False
            self.cycle.scope["state"]["exchange"].fault = error
            self.cycle.message_event.set()
        else:
            self._refusal = error

    def _await_headers(self) -> None:
        if not self._headers_timer and not self.transport.is_closing():
            self._headers_timer = self.loop.call_later(HEADERS_S, self._headers_are_late)

    def _headers_are_late(self) -> None:
        self._headers_timer = None
        if self.cycle and not self.cycle.response_complete:
            # The next request of a pipeline; it need not be read while one is being answered.
            self._headers_timer = self.loop.call_later(HEADERS_S, self._headers_are_late)
        elif not self.transport.is_closing():
            self._refuse(RequestError(408, f"the request's headers did not arrive within {HEADERS_S:.0f} seconds"))

    def _stop_headers_timer(self) -> None:
        if self._headers_timer:
            self._headers_timer.cancel()
            self._headers_timer = None

    def _refuse(self, error: RequestError) -> None:
        """Answer what never became a request for the application."""
        request_id = new_request_id()
        body = Reply.failure(error, request_id).body
        again = f"retry-after: {error.retry_after_s}\r\n" if error.status == 503 else ""
        head = (
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"x-request-id: {request_id}\r\n{again}connection: close\r\n\r\n"
        )
        logger.info(event("refused", id=request_id, status=error.status, why=error.message))
        self.transport.write(STATUS_LINE[error.status] + head.encode() + body)
        self.linger()

    def linger(self) -> None:
        """Close after a moment: closing at once, while the client sends, would keep it from reading the answer."""
        self._in_headers = False
        self._stop_headers_timer()
        self._left_to_drop = _LINGER_BYTES
        if self.transport.is_closing():
            return
        if self._half_closed:
            # Nothing more comes.
            self.transport.close()
            return
        self.transport.write_eof()
        self.flow.resume_reading()
        self.loop.call_later(_LINGER_S, self.transport.close)


def _is_reset(connection: socket.socket) -> bool:
    """Whether it is closed in both directions, which reading does not show after a half-close."""
    poll = select.poll()
    poll.register(connection.fileno(), 0)
    return bool(poll.poll(0))
