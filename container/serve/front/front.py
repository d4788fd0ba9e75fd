"""The only part of the server that a client reaches, as a bare ASGI application.

It is in charge of readiness, limits, deadlines and draining, and passes bodies on to multi-model-server without looking
into them. The routes are in routes.py.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from container.serve.front import open_inference
from container.serve.front.admission import AdmissionControl, HeldRequest
from container.serve.front.batch_transform import execution_parameters
from container.serve.front.batchers import Batchers
from container.serve.front.exchange import Exchange
from container.serve.front.headers import Headers, echoed, request_head
from container.serve.front.models_api import MAX_LOAD_BODY_BYTES, ModelsApi
from container.serve.front.openapi import document
from container.serve.front.receive import ClientGoneError, Receive, Scope, receive_body
from container.serve.front.request_id import new_request_id
from container.serve.front.routes import MethodError, Route, Routes
from container.serve.protocol.memory_file import MemoryFile
from container.serve.protocol.open_inference import LIVE
from container.serve.protocol.replies import BUG, Reply, RequestError
from container.serve.protocol.state import LatestState
from container.serve.settings.config import ServeConfig
from container.serve.settings.logs import event
from container.serve.watch.request_record import RequestObserver, RequestRecord

logger = logging.getLogger(__name__)

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# How long a request that is slow to decode, or holds many pictures, may hold up the others.
_SLICE_S = 0.1

# The model as the client called it; for the log only.
_TARGET_HEADER = b"x-amzn-sagemaker-target-model"


class Front:
    """The ASGI application."""

    def __init__(
        self,
        config: ServeConfig,
        run_dir: Path,
        state: LatestState,
        admission: AdmissionControl,
        batchers: Batchers,
        *,
        workers: int,
    ) -> None:
        """
        Args:
            config: The server's settings.
            run_dir: Where the supervisor's control socket is.
            state: The server's state.
            admission: Limits what is held.
            batchers: The way to a model.
            workers: Workers of each model.
        """
        self._config = config
        self._state = state
        self.draining = False
        self._admission = admission
        self._batchers = batchers
        self.observers: Sequence[RequestObserver] = ()
        """Notified of every finished request."""
        # With several workers, another one could get the next slice.
        self._slice_s = _SLICE_S if workers == 1 else None
        self._parameters = execution_parameters(config, workers)
        self._description = document.description(config) if config.openapi else None
        self._routes = Routes(many_models=config.multi_model, openapi=config.openapi)
        self._models = ModelsApi(config, run_dir, batchers, state)
        self._open_inference = open_inference.OpenInferenceRoutes(config) if config.kserve else None
        self._probes = {"/ping": Reply(status=200, content_type="", body=b"")}
        if config.kserve:
            self._probes |= open_inference.PROBES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        exchange: Exchange = scope["state"]["exchange"]
        headers: Headers = dict(scope["headers"])
        record = RequestRecord()
        if path in self._probes and method in ("GET", "HEAD"):
            record.route = "ping"
            await self._probe(send, exchange, headers, record, path)
            return
        v2 = self._open_inference if open_inference.is_path(path) else None
        deadline = record.start + self._config.deadline_s
        request_id = new_request_id()
        reply = Reply.failure(BUG, request_id)
        allowed: tuple[str, ...] = ()
        try:
            with self._admission.hold() as held:
                try:
                    asked = (v2 or self._routes).find(scope)
                    if asked.verb == "parameters":
                        record.route, reply = "execution-parameters", self._parameters
                    elif asked.verb == "openapi" and self._description:
                        record.route, reply = "openapi", self._description
                    elif asked.verb in ("invoke", "infer", "metadata"):
                        record.route = "open-inference" if asked.verb == "metadata" else "invocations"
                        record.model = asked.name
                        reply = await self._invoke(exchange, headers, receive, request_id, deadline, asked, held)
                    elif asked.verb in ("server", "ready"):
                        record.route, reply = "open-inference", self._described(asked)
                    else:
                        record.route = "models"
                        reply = await self._administer(exchange, headers, receive, deadline, asked, held)
                finally:
                    record.bytes_in, record.received = held.size, held.complete_at
        except RequestError as error:
            reply = Reply.failure(error, request_id)
            allowed = error.methods if isinstance(error, MethodError) else ()
        except ClientGoneError:
            self._note(record, None)
            logger.info(event("request", id=request_id, status=record.status, ms=_milliseconds(record)))
            return
        except Exception:
            logger.exception(event("bug", id=request_id))
        if v2:
            reply = open_inference.in_protocol(reply)
        extra = [(b"allow", ", ".join(allowed).encode())] if allowed else open_inference.json_bytes_header(reply)
        await _send(send, reply, request_id, exchange, headers, extra, draining=self.draining)
        self._note(record, reply)
        logger.info(
            event(
                "request",
                id=request_id,
                method=method,
                path=path[:100],
                target=_target(headers) if self._config.multi_model else None,
                status=reply.status,
                bytes_in=record.bytes_in,
                bytes_out=0 if method == "HEAD" else len(reply.body),
                ms=_milliseconds(record),
                batch=reply.batch,
                worker=reply.worker,
            )
        )

    async def _probe(self, send: Send, exchange: Exchange, headers: Headers, record: RequestRecord, path: str) -> None:
        request_id, reply = None, self._probes[path]
        if path != LIVE and not self.ready():
            request_id = new_request_id()
            reply = Reply.failure(self._not_ready(), request_id)
            if open_inference.is_path(path):
                reply = open_inference.in_protocol(reply)
        await _send(send, reply, request_id, exchange, headers, [], draining=self.draining)
        self._note(record, reply)

    def ready(self) -> bool:
        """Whether /ping is answered 200."""
        return self._state().ready and not self.draining

    def _not_ready(self) -> RequestError:
        return RequestError(503, "the server is stopping" if self.draining else self._state().reason)

    def _described(self, asked: Route) -> Reply:
        """Describe the server, or say that a model is ready."""
        if asked.verb == "server":
            return open_inference.SERVER
        if not self.ready():
            raise self._not_ready()
        self._batchers.find(asked.name)
        return open_inference.model_ready(asked)

    def _note(self, record: RequestRecord, reply: Reply | None) -> None:
        record.reply, record.end = reply, time.monotonic()
        for observer in self.observers:
            observer.note(record)

    async def _administer(
        self, exchange: Exchange, headers: Headers, receive: Receive, deadline: float, asked: Route, held: HeldRequest
    ) -> Reply:
        """Load, unload or list models; loading may take longer than a request's deadline."""
        if self.draining:
            raise RequestError(503, "the server is stopping")
        body = await receive_body(
            receive,
            held,
            exchange,
            announced=headers.get(b"content-length"),
            limit=MAX_LOAD_BODY_BYTES,
            deadline=deadline,
        )
        return await self._models.answer(asked, b"".join(body))

    async def _invoke(
        self,
        exchange: Exchange,
        headers: Headers,
        receive: Receive,
        request_id: str,
        deadline: float,
        asked: Route,
        held: HeldRequest,
    ) -> Reply:
        protocol = open_inference.of_request(asked, headers)
        head = request_head(headers, request_id, deadline, self._slice_s, protocol)
        if self.draining:
            raise RequestError(503, "the server is stopping")
        batcher = self._batchers.find(asked.name)
        with batcher.held():
            body = await receive_body(
                receive,
                held,
                exchange,
                announced=headers.get(b"content-length"),
                limit=self._config.max_body_bytes,
                deadline=deadline,
            )
            held.enter()
            with _shared(body) as file:
                waiting = batcher.put(head.pack(file.address), deadline)
                exchange.watch(waiting.answer.cancel)
                try:
                    return await waiting.answer
                except asyncio.CancelledError:
                    if exchange.is_closing():
                        raise ClientGoneError from None
                    raise
                finally:
                    exchange.watch(None)


def _shared(body: list[bytes]) -> MemoryFile:
    """Move the body to where a worker can read it: `body` is emptied, so that there is one copy."""
    try:
        return MemoryFile(body)
    except OSError as error:
        logger.error(event("not-shared", why=error))
        raise RequestError(503, "the server can hold no more requests at the moment; try again") from None
    finally:
        body.clear()


async def _send(
    send: Send,
    reply: Reply,
    request_id: str | None,
    exchange: Exchange,
    asked: Headers,
    extra: list[tuple[bytes, bytes]],
    *,
    draining: bool,
) -> None:
    headers = [(b"content-length", str(len(reply.body)).encode()), *echoed(asked), *extra]
    if reply.content_type:
        # A user's output_fn names the type: drop what would end the header or cannot be sent.
        content_type = "".join(char for char in reply.content_type if char.isprintable())
        headers.append((b"content-type", content_type.encode("latin-1", "replace")))
    if request_id:
        headers.append((b"x-request-id", request_id.encode()))
    if reply.status == 503:
        headers.append((b"retry-after", str(reply.retry_after_s).encode()))
    if exchange.is_last(draining=draining):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def _target(headers: Headers) -> str | None:
    """The model's name as SageMaker's client gave it."""
    header = headers.get(_TARGET_HEADER)
    return header.decode("latin-1")[:100] if header else None


def _milliseconds(record: RequestRecord) -> float:
    return round(record.seconds * 1000, 1)
