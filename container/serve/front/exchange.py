"""The application's view of one request and its answer on a client's connection."""

from collections.abc import Callable
from typing import Any, Protocol

from container.serve.protocol.replies import RequestError


class _Connection(Protocol):
    """The part of `connection.Connection`, a uvicorn protocol, that an exchange uses."""

    transport: Any
    cycle: Any
    flow: Any
    pipeline: Any

    def watch(self, when_gone: Callable[[], object] | None) -> None: ...

    def linger(self) -> None: ...


class Exchange:
    """One request and its answer on a connection; for uvicorn, the transport of that answer."""

    __slots__ = ("_connection", "_cycle", "_was_to_stay", "fault", "get_extra_info", "is_closing", "write")

    def __init__(self, connection: _Connection) -> None:
        transport = connection.transport
        self._connection = connection
        self._cycle = connection.cycle
        self._was_to_stay = connection.cycle.keep_alive
        self.fault: RequestError | None = None
        """An error in the rest of the request, which will therefore not arrive."""
        self.write = transport.write
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info

    @property
    def is_complete(self) -> bool:
        """Whether the whole request has arrived."""
        return not self._cycle.more_body

    def watch(self, when_gone: Callable[[], object] | None) -> None:
        """Call `when_gone` when the client disconnects, at once if it already has; None cancels that."""
        connection = self._connection
        connection.watch(when_gone)
        if when_gone and self.is_closing():
            when_gone()
        elif when_gone and not connection.pipeline:
            # A disconnect shows only while the connection is read.
            connection.flow.resume_reading()

    def is_last(self, *, draining: bool) -> bool:
        """Whether the server closes the connection after this answer, which then has to say so.

        The rest of an incomplete request is not waited for. While draining, pipelined requests are still answered.
        """
        return not self.is_complete or (draining and not self._connection.pipeline)

    def close(self) -> None:
        """Close the connection after the answer."""
        if self._was_to_stay or not self.is_complete:
            # The client may still be sending.
            self._connection.linger()
        else:
            self._connection.transport.close()
