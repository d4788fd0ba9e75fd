"""Talking to multi-model-server over its two loopback ports."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlencode

from container.serve.bundle import unpack
from container.serve.loopback import BrokenError, Loopback, NotConnectedError
from container.serve.model_server import HANDLER, MODEL, InnerPorts
from container.serve.replies import FRAME_TYPE, TOO_LATE, Reply, RequestError

_LOST = RequestError(503, "the worker that had this request ended; try again")
_UP_S = 5.0
# multi-model-server itself gives a worker ten seconds to end.
_UNREGISTER_S = 15.0

_DOWN_WORDS = "the model server is not running at the moment; try again"
_GONE = RequestError(503, _DOWN_WORDS)


class DownError(RequestError):
    """503: multi-model-server cannot be reached, and so has nothing of this."""

    def __init__(self) -> None:
        super().__init__(503, _DOWN_WORDS)


class Client(Loopback):
    """multi-model-server, as the front and the supervisor use it."""

    async def predict(self, port: int, parts: Sequence[bytes], timeout_s: float, model: str = MODEL) -> list[Reply]:
        """Send a bundle of requests through multi-model-server to a worker.

        Args:
            port: multi-model-server's inference port.
            parts: By `RequestHead.pack`.
            timeout_s: How long the answer may take.
            model: What multi-model-server calls the model.

        Returns:
            One reply per request, in order.

        Raises:
            DownError: Nobody has got them.
            RequestError: 503, the worker that had them ended; 504, not in time. multi-model-server's own words stay
                here.
        """
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self.ask("POST", port, f"/predictions/{model}", b"[%b]" % b",".join(parts))
        except TimeoutError:
            raise TOO_LATE.anew() from None
        except NotConnectedError:
            raise DownError from None
        except BrokenError:
            raise _LOST.anew() from None
        if answer.content_type != FRAME_TYPE:
            raise (_GONE if answer.status == 404 else _LOST).anew()
        return [Reply.unpack(head, body) for head, body in unpack(answer.body)]

    async def is_up(self, ports: InnerPorts) -> bool:
        """Whether both APIs answer."""
        try:
            async with asyncio.timeout(_UP_S):
                inference = await self.ask("GET", ports.inference, "/ping")
                management = await self.ask("GET", ports.management, "/models")
        except (TimeoutError, NotConnectedError, BrokenError):
            return False
        return (inference.status, management.status) == (200, 200)

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
            answer = await self.ask("POST", ports.management, f"/models?{urlencode(query)}")
        except (NotConnectedError, BrokenError) as error:
            return type(error).__name__
        return "" if answer.status == 200 else f"{answer.status} {answer.text}"

    async def unregister(self, ports: InnerPorts, model: str) -> str:
        """Have multi-model-server end the model's workers and forget it.

        Returns:
            What it says if that did not work; empty if it did, or there is no such model.
        """
        try:
            async with asyncio.timeout(_UNREGISTER_S):
                answer = await self.ask("DELETE", ports.management, f"/models/{model}")
        except (TimeoutError, NotConnectedError, BrokenError) as error:
            return type(error).__name__
        return "" if answer.status in (200, 404) else f"{answer.status} {answer.text}"
