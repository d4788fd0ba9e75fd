"""Reading a request's body, within its size limit and at a minimum rate."""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from container.serve.front.admission import HeldRequest
from container.serve.front.exchange import Exchange
from container.serve.protocol.replies import RequestError
from container.serve.settings.config import MEBIBYTE

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

MIN_RATE_S = 10.0
MIN_RATE_BYTES = 10 * 1024
"""Minimum rate: this many bytes, or the rest of the body, within this many seconds."""


class ClientGoneError(Exception):
    """The client disconnected before it had its answer."""


async def receive_body(
    receive: Receive, held: HeldRequest, exchange: Exchange, *, announced: bytes | None, limit: int, deadline: float
) -> list[bytes]:
    """Read a whole body, in pieces.

    Args:
        receive: ASGI's `receive`.
        held: Counts the bytes.
        exchange: Knows whether the body has arrived, or never will.
        announced: Content-Length, if any.
        limit: In bytes.
        deadline: By `time.monotonic()`.

    Raises:
        RequestError: 400 or 431, `exchange.fault`; 413, it is longer than `limit`; 408, it is slower than
            `MIN_RATE_BYTES` in `MIN_RATE_S`, or late; 503, the server holds too many bytes.
        ClientGoneError: The client disconnected.
    """
    if announced and announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    # A body that has already arrived needs no timeout.
    more = _keep(await receive(), held, chunks, limit) if exchange.is_complete else True
    while more:
        expected = held.size + MIN_RATE_BYTES
        try:
            async with asyncio.timeout(max(0.0, min(MIN_RATE_S, deadline - time.monotonic()))):
                while more and held.size < expected:
                    message = await receive()
                    if exchange.fault:
                        raise exchange.fault
                    more = _keep(message, held, chunks, limit)
        except TimeoutError:
            raise RequestError(408, _too_slow(deadline)) from None
    return chunks


def _keep(message: MutableMapping[str, Any], held: HeldRequest, chunks: list[bytes], limit: int) -> bool:
    """Keep a message's bytes; returns whether there is more to come."""
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
    rate = f"{MIN_RATE_BYTES // 1024} KiB have to arrive in {MIN_RATE_S:.0f} seconds"
    return f"the request's body is too slow: at least {rate}"
