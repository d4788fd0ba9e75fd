"""The only part that a client reaches: GET /ping and POST /invocations on the public port, and with many models what
multi_model/routes.py adds.

A bare ASGI application. It owns readiness, limits, deadlines and draining, and passes bodies on to
multi-model-server without looking into them.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from container.serve.client import Client
from container.serve.config import MEBIBYTE, ServeConfig
from container.serve.gate import Gate, Window
from container.serve.logs import event
from container.serve.model_server import MODEL
from container.serve.multi_model.routes import MAX_LOAD_BODY_BYTES, TARGET_HEADER, MethodError, Models, Route, route
from container.serve.multi_model.traffic import Lane, Traffic
from container.serve.replies import ATTRIBUTES_HEADER, BUG, TOO_LATE, Reply, RequestError, RequestHead
from container.serve.state import ServerState

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_ROUTES = {"/ping": "GET", "/invocations": "POST"}
_RETRY_AFTER_S = b"1"

# multi-model-server reads at most 8 KiB of headers, ours among them.
_LONGEST_HEADER = 1024

# So often is the supervisor's word read again.
_STATE_AGE_S = 0.05


class ClientGoneError(Exception):
    """The client closed its connection before it had its answer."""


class Front:
    """The ASGI application."""

    def __init__(
        self,
        config: ServeConfig,
        client: Client,
        run_dir: Path,
        gate: Gate,
        window: Window,
        traffic: Traffic | None = None,
    ) -> None:
        """
        Args:
            config: The server's settings.
            client: Reaches multi-model-server.
            run_dir: Where the supervisor leaves its word.
            gate: What is held at all.
            window: What multi-model-server has of it.
            traffic: The same for each of many models; None where there is one.
        """
        self._config = config
        self._client = client
        self._run_dir = run_dir
        self._state = ServerState.read(run_dir)
        self._state_read_at = 0.0
        self.draining = False
        self._gate = gate
        self._window = window
        self._models = Models(config, run_dir, traffic, self._current_state) if traffic else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if (method, path) == ("GET", "/ping"):
            await self._ping(send)
            return
        start = time.monotonic()
        request_id = str(uuid.uuid4())
        reply, size = Reply.failure(BUG, request_id), 0
        allowed: tuple[str, ...] = ()
        try:
            asked = self._route(scope)
            if asked.verb == "invoke":
                reply, size = await self._invoke(scope, receive, request_id, start + self._config.deadline_s, asked)
            else:
                reply = await self._administer(scope, receive, start + self._config.deadline_s, asked)
        except RequestError as error:
            reply = Reply.failure(error, request_id)
            allowed = error.methods if isinstance(error, MethodError) else ()
        except ClientGoneError:
            logger.info(event("request", id=request_id, status="gone", ms=_milliseconds(start)))
            return
        except Exception:
            logger.exception(event("bug", id=request_id))
        extra = [(b"allow", ", ".join(allowed).encode())] if allowed else []
        await _send(send, reply, request_id, extra)
        logger.info(
            event(
                "request",
                id=request_id,
                method=method,
                path=path[:100],
                target=_target(scope) if self._models else None,
                status=reply.status,
                bytes_in=size,
                bytes_out=len(reply.body),
                ms=_milliseconds(start),
                batch=reply.batch,
                worker=reply.worker,
            )
        )

    async def _ping(self, send: Send) -> None:
        state = self._current_state()
        if state.ready and not self.draining:
            await _send(send, Reply(status=200, content_type="", body=b""), None, [])
            return
        reason = "the server is stopping" if self.draining else state.reason
        request_id = str(uuid.uuid4())
        await _send(send, Reply.error(503, reason, request_id), request_id, [])

    def _route(self, scope: Scope) -> Route:
        path, method = scope["path"], scope["method"]
        if self._models and path not in _ROUTES:
            return route(method, scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1"))
        if path not in _ROUTES:
            raise RequestError(404, "there is nothing here; the routes are GET /ping and POST /invocations")
        if self._models and path == "/invocations":
            raise RequestError(
                404, "this server holds many models (SAGEMAKER_MULTI_MODEL); ask one of them: POST /models/NAME/invoke"
            )
        if method != _ROUTES[path]:
            raise MethodError(path, (_ROUTES[path],))
        return Route("invoke")

    async def _administer(self, scope: Scope, receive: Receive, deadline: float, asked: Route) -> Reply:
        """Load, unload or list models; loading may take longer than a request has."""
        if self._models is None:
            raise ValueError("there is one model only")
        if self.draining:
            raise RequestError(503, "the server is stopping")
        self._gate.enter(always=True)
        try:
            async with _deadline(deadline, RequestError(408, "the request's body did not arrive in time")):
                announced = dict(scope["headers"]).get(b"content-length", b"").decode("latin-1")
                body = b"".join([chunk async for chunk in self._body(announced, receive, MAX_LOAD_BODY_BYTES)])
            return await self._models.answer(asked, body)
        finally:
            self._gate.leave(0)

    async def _invoke(
        self, scope: Scope, receive: Receive, request_id: str, deadline: float, asked: Route
    ) -> tuple[Reply, int]:
        """The worker's reply, and the bytes that were received."""
        if self._models is None or self.draining:
            return await self._pass_on(scope, receive, request_id, deadline, MODEL, None)
        model, lane = self._models.find(asked.name)
        async with lane.held():
            return await self._pass_on(scope, receive, request_id, deadline, model.key, lane)

    async def _pass_on(
        self, scope: Scope, receive: Receive, request_id: str, deadline: float, model: str, lane: Lane | None
    ) -> tuple[Reply, int]:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        content_type, accept = headers.get(b"content-type"), headers.get(b"accept")
        attributes = headers.get(ATTRIBUTES_HEADER.lower().encode())
        for name, value in (("Content-Type", content_type), ("Accept", accept), (ATTRIBUTES_HEADER, attributes)):
            if value is not None and len(value) > _LONGEST_HEADER:
                raise RequestError(400, f"the {name} header is longer than {_LONGEST_HEADER} characters")
        if headers.get(b"content-encoding", "identity") != "identity":
            raise RequestError(415, "the body is compressed as a whole (Content-Encoding); send it as it is")
        state = self._current_state()
        if self.draining or not state.accepting:
            raise RequestError(503, "the server is stopping" if self.draining else state.reason)
        self._gate.enter()
        held = 0
        try:
            chunks: list[bytes] = []
            async with _deadline(deadline, RequestError(408, "the request's body did not arrive in time")):
                async for chunk in self._body(headers.get(b"content-length"), receive, self._config.max_body_bytes):
                    self._gate.take(len(chunk))
                    held += len(chunk)
                    chunks.append(chunk)
            head = RequestHead(
                request_id=request_id,
                content_type=content_type,
                accept=accept,
                deadline=deadline,
                attributes=attributes,
            )
            return await self._unless_gone(receive, self._forward(head, chunks, held, model, lane)), held
        finally:
            self._gate.leave(held)

    async def _forward(self, head: RequestHead, chunks: list[bytes], size: int, model: str, lane: Lane | None) -> Reply:
        turn = lane.window.slot(size) if lane else nullcontext()
        async with _deadline(head.deadline, TOO_LATE), turn, self._window.slot(size):
            port = self._current_state().inference_port
            return await self._client.predict(port, head, chunks, head.deadline - time.monotonic(), model)

    async def _body(self, announced: str | None, receive: Receive, limit: int) -> AsyncIterator[bytes]:
        words = f"{limit // MEBIBYTE} MiB" if limit >= MEBIBYTE else f"{limit} bytes"
        too_large = RequestError(413, f"the request's body is larger than {words}")
        if announced is not None and announced.isdigit() and int(announced) > limit:
            raise too_large
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > limit:
                raise too_large
            if chunk:
                yield chunk
            if not message.get("more_body"):
                return

    async def _unless_gone(self, receive: Receive, answer: Coroutine[Any, Any, Reply]) -> Reply:
        """Wait for the answer, or stop working on it when the client leaves."""
        work = asyncio.create_task(answer)
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientGoneError
            return work.result()
        finally:
            work.cancel()
            gone.cancel()

    def _current_state(self, *, fresh: bool = False) -> ServerState:
        now = time.monotonic()
        if fresh or now - self._state_read_at > _STATE_AGE_S:
            self._state = ServerState.read(self._run_dir)
            self._state_read_at = now
        return self._state


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@asynccontextmanager
async def _deadline(at: float, error: RequestError) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(max(0.0, at - time.monotonic())):
            yield
    except TimeoutError:
        raise error from None


async def _send(send: Send, reply: Reply, request_id: str | None, extra: list[tuple[bytes, bytes]]) -> None:
    headers = [(b"content-length", str(len(reply.body)).encode()), *extra]
    if reply.content_type:
        # A user's output_fn names the type: nothing that would end the header or could not be sent.
        content_type = "".join(char for char in reply.content_type if char.isprintable())
        headers.append((b"content-type", content_type.encode("latin-1", "replace")))
    if request_id:
        headers.append((b"x-request-id", request_id.encode()))
    if reply.status == 503:
        headers.append((b"retry-after", _RETRY_AFTER_S))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def _target(scope: Scope) -> str | None:
    """What a client of SageMaker called the model."""
    header = dict(scope["headers"]).get(TARGET_HEADER)
    return header.decode("latin-1")[:100] if header else None


def _milliseconds(start: float) -> float:
    return round((time.monotonic() - start) * 1000, 1)
