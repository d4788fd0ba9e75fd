"""The only part that a client reaches: GET /ping and POST /invocations on the public port, and with many models what
multi_model/routes.py adds.

A bare ASGI application. It owns readiness, limits, deadlines and draining, and passes bodies on to
multi-model-server without looking into them.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from container.serve.batch_transform import execution_parameters
from container.serve.config import ServeConfig
from container.serve.connection import Exchange
from container.serve.gate import Gate, Held
from container.serve.headers import Headers, echoed, request_head
from container.serve.lane import Lane
from container.serve.logs import event
from container.serve.memory_file import MemoryFile
from container.serve.multi_model.routes import MAX_LOAD_BODY_BYTES, TARGET_HEADER, MethodError, Models, Route, route
from container.serve.multi_model.traffic import Traffic
from container.serve.openapi import document
from container.serve.receive import ClientGoneError, Receive, Scope, receive_body
from container.serve.replies import BUG, Reply, RequestError
from container.serve.request_id import new_request_id
from container.serve.state import LatestState
from container.serve.watch.request_record import RequestRecord, Watcher

logger = logging.getLogger(__name__)

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_ROUTES = {"/ping": "GET", "/invocations": "POST"}
_PARAMETERS = "/execution-parameters"


class Front:
    """The ASGI application."""

    def __init__(
        self,
        config: ServeConfig,
        run_dir: Path,
        state: LatestState,
        gate: Gate,
        lanes: Lane | Traffic,
        *,
        workers: int,
    ) -> None:
        """
        Args:
            config: The server's settings.
            run_dir: Where the supervisor is reached.
            state: The supervisor's word.
            gate: What is held at all.
            lanes: Where requests wait for the one model, or for each of many.
            workers: Of a model.
        """
        self._config = config
        self._state = state
        self.draining = False
        self._gate = gate
        self._lane = lanes if isinstance(lanes, Lane) else None
        self.watchers: Sequence[Watcher] = ()
        """Are told of every request that is over."""
        self._parameters = execution_parameters(config, workers)
        self._description = document.description(config) if config.openapi else None
        self._models = Models(config, run_dir, lanes, state) if isinstance(lanes, Traffic) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        exchange: Exchange = scope["state"]["exchange"]
        headers: Headers = dict(scope["headers"])
        record = RequestRecord()
        if (method, path) == ("GET", "/ping"):
            record.route = "ping"
            await self._ping(send, exchange, headers, record)
            return
        deadline = record.start + self._config.deadline_s
        request_id = new_request_id()
        reply = Reply.failure(BUG, request_id)
        allowed: tuple[str, ...] = ()
        try:
            with self._gate.holding() as held:
                try:
                    asked = self._route(scope)
                    if asked.verb == "parameters":
                        record.route, reply = "execution-parameters", self._parameters
                    elif asked.verb == "openapi" and self._description:
                        record.route, reply = "openapi", self._description
                    elif asked.verb == "invoke":
                        record.route, record.model = "invocations", asked.name
                        reply = await self._invoke(exchange, headers, receive, request_id, deadline, asked, held)
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
        extra = [(b"allow", ", ".join(allowed).encode())] if allowed else []
        await _send(send, reply, request_id, exchange, headers, extra)
        self._note(record, reply)
        logger.info(
            event(
                "request",
                id=request_id,
                method=method,
                path=path[:100],
                target=_target(headers) if self._models else None,
                status=reply.status,
                bytes_in=record.bytes_in,
                bytes_out=len(reply.body),
                ms=_milliseconds(record),
                batch=reply.batch,
                worker=reply.worker,
            )
        )

    async def _ping(self, send: Send, exchange: Exchange, headers: Headers, record: RequestRecord) -> None:
        request_id = None if self.ready() else new_request_id()
        reply = Reply(status=200, content_type="", body=b"")
        if request_id:
            reason = "the server is stopping" if self.draining else self._state().reason
            reply = Reply.error(503, reason, request_id)
        await _send(send, reply, request_id, exchange, headers, [])
        self._note(record, reply)

    def ready(self) -> bool:
        """Whether /ping is 200."""
        return self._state().ready and not self.draining

    def _note(self, record: RequestRecord, reply: Reply | None) -> None:
        record.reply, record.end = reply, time.monotonic()
        for watcher in self.watchers:
            watcher.note(record)

    def _route(self, scope: Scope) -> Route:
        path, method = scope["path"], scope["method"]
        if self._description and path == document.PATH:
            if method != "GET":
                raise MethodError(path, ("GET",))
            return Route("openapi")
        if self._models and path not in _ROUTES:
            return route(method, scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1"))
        if path == _PARAMETERS:
            if method != "GET":
                raise MethodError(path, ("GET",))
            return Route("parameters")
        if path not in _ROUTES:
            raise RequestError(
                404, f"there is nothing here; the routes are GET /ping, GET {_PARAMETERS} and POST /invocations"
            )
        if self._models and path == "/invocations":
            raise RequestError(
                404, "this server holds many models (SAGEMAKER_MULTI_MODEL); ask one of them: POST /models/NAME/invoke"
            )
        if method != _ROUTES[path]:
            raise MethodError(path, (_ROUTES[path],))
        return Route("invoke")

    async def _administer(
        self, exchange: Exchange, headers: Headers, receive: Receive, deadline: float, asked: Route, held: Held
    ) -> Reply:
        """Load, unload or list models; loading may take longer than a request has."""
        if self._models is None:
            raise ValueError("there is one model only")
        if self.draining:
            raise RequestError(503, "the server is stopping")
        body = await receive_body(
            receive,
            held,
            is_here=exchange.is_complete,
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
        held: Held,
    ) -> Reply:
        head = request_head(headers, request_id, deadline)
        state = self._state()
        if self.draining or not state.accepting:
            raise RequestError(503, "the server is stopping" if self.draining else state.reason)
        lane = self._lane or self._models.find(asked.name)  # type: ignore[union-attr]
        with lane.held() if self._models else nullcontext():
            body = await receive_body(
                receive,
                held,
                is_here=exchange.is_complete,
                announced=headers.get(b"content-length"),
                limit=self._config.max_body_bytes,
                deadline=deadline,
            )
            held.enter()
            with _shared(body) as file:
                waiting = lane.put(head.pack(file.address), deadline)
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
    """The body where a worker can read it, and nowhere else: `body` is emptied."""
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
) -> None:
    headers = [(b"content-length", str(len(reply.body)).encode()), *echoed(asked), *extra]
    if reply.content_type:
        # A user's output_fn names the type: nothing that would end the header or could not be sent.
        content_type = "".join(char for char in reply.content_type if char.isprintable())
        headers.append((b"content-type", content_type.encode("latin-1", "replace")))
    if request_id:
        headers.append((b"x-request-id", request_id.encode()))
    if reply.status == 503:
        headers.append((b"retry-after", str(reply.retry_after_s).encode()))
    if not exchange.is_complete:
        # What is still to come is not waited for.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def _target(headers: Headers) -> str | None:
    """What a client of SageMaker called the model."""
    header = headers.get(TARGET_HEADER)
    return header.decode("latin-1")[:100] if header else None


def _milliseconds(record: RequestRecord) -> float:
    return round(record.seconds * 1000, 1)
