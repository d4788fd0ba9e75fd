"""A client of multi-model-server's two loopback ports."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlencode

from container.serve.mms.loopback import BrokenError, Loopback, NotConnectedError
from container.serve.mms.model_server import HANDLER, InnerPorts
from container.serve.protocol.batch import unpack_batch
from container.serve.protocol.replies import FRAME_TYPE, TOO_LATE, Reply, RequestError

_UP_S = 5.0
# multi-model-server itself gives a worker ten seconds to exit.
_UNREGISTER_S = 15.0

_DOWN_MESSAGE = "the model server is not running at the moment; try again"
_GONE = RequestError(503, _DOWN_MESSAGE)


class DownError(RequestError):
    """A 503: multi-model-server cannot be reached, and has received nothing."""

    def __init__(self) -> None:
        super().__init__(503, _DOWN_MESSAGE)


class LostError(RequestError):
    """A 503: the worker that had the requests ended."""

    def __init__(self) -> None:
        super().__init__(503, "the worker that had this request ended; try again")


class Client(Loopback):
    """The calls to multi-model-server that the front and the supervisor make."""

    async def predict(self, port: int, parts: Sequence[bytes], timeout_s: float, model: str) -> list[Reply]:
        """Send a batch of requests through multi-model-server to a worker.

        Args:
            port: multi-model-server's inference port.
            parts: From `RequestHead.pack`.
            timeout_s: How long the answer may take.
            model: multi-model-server's name of the model.

        Returns:
            One reply per request, in order.

        Raises:
            DownError: multi-model-server has not received them.
            LostError: The worker that had them ended.
            RequestError: 503, the model is gone; 504, not in time. multi-model-server's own message is dropped.
        """
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self.ask("POST", port, f"/predictions/{model}", b"[%b]" % b",".join(parts))
        except TimeoutError:
            raise TOO_LATE.anew() from None
        except NotConnectedError:
            raise DownError from None
        except BrokenError:
            raise LostError from None
        if answer.content_type != FRAME_TYPE:
            raise _GONE.anew() if answer.status == 404 else LostError
        return [Reply.unpack(head, body) for head, body in unpack_batch(answer.body)]

    async def is_up(self, ports: InnerPorts) -> bool:
        """Whether both APIs answer."""
        try:
            async with asyncio.timeout(_UP_S):
                inference = await self.ask("GET", ports.inference, "/ping")
                management = await self.ask("GET", ports.management, "/models")
        except (TimeoutError, NotConnectedError, BrokenError):
            return False
        return (inference.status, management.status) == (200, 200)

    async def register(self, ports: InnerPorts, workers: int, model: str) -> str:
        """Have the model loaded by `workers` workers, and wait until all have loaded it, or one has failed.

        Returns:
            multi-model-server's error message; empty if there was none.
        """
        query = {
            "url": model,
            "model_name": model,
            "handler": HANDLER,
            # The front forms the batches; with one request in each, the delay (at least 1 ms) does not apply.
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
        """Have multi-model-server end the model's workers and remove the model.

        Returns:
            Its error message; empty if there was none, or there is no such model.
        """
        try:
            async with asyncio.timeout(_UNREGISTER_S):
                answer = await self.ask("DELETE", ports.management, f"/models/{model}")
        except (TimeoutError, NotConnectedError, BrokenError) as error:
            return type(error).__name__
        return "" if answer.status in (200, 404) else f"{answer.status} {answer.text}"
