"""uvicorn, set up for us: on a socket that is open already, silent, and without a hand on the signals."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import uvicorn

# By then every request that was accepted is answered; this is for connections that linger.
_LINGER_S = 2


class HttpServer(uvicorn.Server):
    """Runs until `should_exit` is set."""

    def __init__(self, app: Any, *, keep_alive_s: int, protocol: Any = "httptools") -> None:
        """
        Args:
            app: An ASGI application.
            keep_alive_s: Seconds after which an idle connection is closed.
            protocol: What speaks HTTP, as uvicorn takes it.
        """
        # Its lines would repeat the supervisor's.
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        super().__init__(
            uvicorn.Config(
                app,
                http=protocol,
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
        """Leave them to whoever runs this: requests shall finish first."""
        yield
