"""Reading a request's body: within its limit, and from a client that keeps a pace."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from container.serve.config import MEBIBYTE
from container.serve.gate import Held
from container.serve.replies import RequestError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

PACE_S = 10.0
PACE_BYTES = 10 * 1024
"""In so many seconds so many bytes arrive, or the rest."""


class ClientGoneError(Exception):
    """The client closed its connection before it had its answer."""


async def receive_body(
    receive: Receive, held: Held, *, is_here: bool, announced: bytes | None, limit: int, deadline: float
) -> list[bytes]:
    """All of a body, in pieces.

    Args:
        receive: The ASGI application's.
        held: Counts the bytes.
        is_here: All of it has arrived.
        announced: Content-Length, where there is one.
        limit: Bytes.
        deadline: By `time.monotonic()`.

    Raises:
        RequestError: 413, it is longer than `limit`; 408, it is slower than `PACE_BYTES` in `PACE_S`, or late; 503, the
            server holds too many bytes.
        ClientGoneError: It will never be complete.
    """
    if announced and announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    # Only for what is still to come is a clock needed.
    more = _keep(await receive(), held, chunks, limit) if is_here else True
    while more:
        expected = held.size + PACE_BYTES
        try:
            async with asyncio.timeout(max(0.0, min(PACE_S, deadline - time.monotonic()))):
                while more and held.size < expected:
                    more = _keep(await receive(), held, chunks, limit)
        except TimeoutError:
            raise RequestError(408, _too_slow(deadline)) from None
    return chunks


def _keep(message: MutableMapping[str, Any], held: Held, chunks: list[bytes], limit: int) -> bool:
    """Keep what a message brings; whether there is more to come."""
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    if chunk := message.get("body", b""):
        if held.size + len(chunk) > limit:
            raise _too_large(limit)
        held.take(len(chunk))
        chunks.append(chunk)
    return bool(message.get("more_body"))


def _too_large(limit: int) -> RequestError:
    words = f"{limit // MEBIBYTE} MiB" if limit >= MEBIBYTE else f"{limit} bytes"
    return RequestError(413, f"the request's body is larger than {words}")


def _too_slow(deadline: float) -> str:
    if time.monotonic() >= deadline:
        return "the request's body did not arrive in time"
    return f"the request's body is too slow: at least {PACE_BYTES // 1024} KiB have to arrive in {PACE_S:.0f} seconds"
