"""Talking to multi-model-server over its two loopback ports."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

import aiohttp

from container.serve.bundle import Part, pack, unpack
from container.serve.model_server import HANDLER, MODEL, InnerPorts
from container.serve.replies import FRAME_TYPE, TOO_LATE, Reply, RequestError

_LOST = RequestError(503, "the worker that had this request ended; try again")
# multi-model-server itself gives a worker ten seconds to end.
_UNREGISTER_S = 15.0

_DOWN_WORDS = "the model server is not running at the moment; try again"
_GONE = RequestError(503, _DOWN_WORDS)


class DownError(RequestError):
    """503: multi-model-server cannot be reached, and so has nothing of this."""

    def __init__(self) -> None:
        super().__init__(503, _DOWN_WORDS)


class Client:
    """Kept-alive connections to multi-model-server; as many as there are requests at once."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=600),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def predict(self, port: int, parts: Sequence[Part], timeout_s: float, model: str = MODEL) -> list[Reply]:
        """Send a bundle of requests through multi-model-server to a worker.

        Args:
            port: multi-model-server's inference port.
            parts: Heads, by `RequestHead.pack`, and bodies.
            timeout_s: How long the answer may take.
            model: What multi-model-server calls the model.

        Returns:
            One reply per request, in order.

        Raises:
            DownError: Nobody has got them.
            RequestError: 503, the worker that had them ended; 504, not in time. multi-model-server's own words stay
                here.
        """
        pieces = pack(parts)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(sum(map(len, pieces)))}
        try:
            async with asyncio.timeout(timeout_s):
                async with self._session.post(
                    f"http://127.0.0.1:{port}/predictions/{model}", data=_pieces(pieces), headers=headers
                ) as response:
                    message = await response.read()
        except TimeoutError:
            raise TOO_LATE.anew() from None
        except aiohttp.ClientConnectorError:
            raise DownError from None
        except (aiohttp.ClientError, OSError):
            raise _LOST.anew() from None
        if response.headers.get("Content-Type", "").strip() != FRAME_TYPE:
            raise (_GONE if response.status == 404 else _LOST).anew()
        return [Reply.unpack(head, body) for head, body in unpack(message)]

    async def is_up(self, ports: InnerPorts) -> bool:
        """Whether both APIs answer."""
        try:
            for url in (f"http://127.0.0.1:{ports.inference}/ping", f"http://127.0.0.1:{ports.management}/models"):
                async with asyncio.timeout(5), self._session.get(url) as response:
                    if response.status != 200:
                        return False
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False
        return True

    async def register(self, ports: InnerPorts, workers: int, model: str = MODEL) -> str:
        """Have the model loaded by `workers` workers, and wait until it is, or one of them gave up.

        Returns:
            What multi-model-server says if that did not work; empty if it did.
        """
        query = {
            "url": model,
            "model_name": model,
            "handler": HANDLER,
            # The front forms the batches; with one request in each, the delay, at least 1 ms, is not waited for.
            "batch_size": "1",
            "max_batch_delay": "1",
            "initial_workers": str(workers),
            "synchronous": "true",
        }
        try:
            async with self._session.post(f"http://127.0.0.1:{ports.management}/models", params=query) as response:
                text = await response.text()
                return "" if response.status == 200 else f"{response.status} {' '.join(text.split())}"
        except (aiohttp.ClientError, OSError) as error:
            return f"{type(error).__name__} {error}"

    async def unregister(self, ports: InnerPorts, model: str) -> str:
        """Have multi-model-server end the model's workers and forget it.

        Returns:
            What it says if that did not work; empty if it did, or there is no such model.
        """
        url = f"http://127.0.0.1:{ports.management}/models/{model}"
        try:
            async with asyncio.timeout(_UNREGISTER_S), self._session.delete(url) as response:
                text = await response.text()
                return "" if response.status in (200, 404) else f"{response.status} {' '.join(text.split())}"
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return f"{type(error).__name__} {error}"


async def _pieces(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
