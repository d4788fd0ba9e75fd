"""GET /metrics, on a port of its own, in the front's process and event loop."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

_Message = MutableMapping[str, Any]
_PLAIN = (b"content-type", b"text/plain; charset=utf-8")


class MetricsApp:
    """A bare ASGI application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._one_at_a_time = asyncio.Lock()

    async def __call__(
        self,
        scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] not in ("GET", "HEAD") or scope["path"] != "/metrics":
            await _answer(send, 404, _PLAIN, b"there is nothing here but GET /metrics\n")
            return
        accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
        encode, content_type = choose_encoder(accept)
        async with self._one_at_a_time:
            # In a thread: it reads files and asks the driver, which may be slow.
            text = await asyncio.to_thread(encode, self._registry)
        await _answer(send, 200, (b"content-type", content_type.encode()), text)


async def _answer(
    send: Callable[[_Message], Awaitable[None]], status: int, content_type: tuple[bytes, bytes], body: bytes
) -> None:
    headers = [content_type, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
