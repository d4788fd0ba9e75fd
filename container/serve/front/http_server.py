"""uvicorn on a socket that is open already, without its own logging and signal handling."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import uvicorn

from container.serve.front.connection import Connection

# Every accepted request has been answered by then; this is for connections that linger.
_LINGER_S = 2


class HttpServer(uvicorn.Server):
    """Runs until `should_exit` is set."""

    def __init__(self, app: Any, *, keep_alive_s: int) -> None:
        """
        Args:
            app: An ASGI application.
            keep_alive_s: Seconds after which an idle connection is closed.
        """
        # Its log lines would repeat the supervisor's.
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=keep_alive_s,
                timeout_graceful_shutdown=_LINGER_S,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the caller, who lets requests finish first."""
        yield
