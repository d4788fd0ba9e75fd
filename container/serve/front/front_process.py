"""The front as a process: uvicorn on a socket that the supervisor has opened, until SIGTERM and the last answer."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from container.serve.front.admission import AdmissionControl
from container.serve.front.batcher import Batcher, Limits
from container.serve.front.batchers import Batchers
from container.serve.front.connection import Connection
from container.serve.front.descriptors import connection_limit
from container.serve.front.front import Front
from container.serve.front.http_server import HttpServer
from container.serve.front.observers import observing
from container.serve.mms.client import Client, DownError
from container.serve.protocol.replies import Reply
from container.serve.protocol.state import RUN_DIR_VARIABLE, LatestState
from container.serve.settings import logs
from container.serve.settings.config import ServeConfig
from container.serve.settings.logs import event
from container.serve.settings.resources import most_body_bytes, usable_bytes
from container.serve.watch.request_record import Levels

logger = logging.getLogger(__name__)

# Longer than load balancers' own, so that they are the ones to close an idle connection.
_KEEP_ALIVE_S = 75

# How long a drain waits for kept-alive connections to end with an announced close.
_GOODBYE_S = 1.0

# Time for multi-model-server itself to end two workers that hang.
_SPARE_S = 30.0


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="The public side of the server; started by the supervisor.")
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the listening socket")
    parser.add_argument("--metrics", type=int, help="descriptor of the metrics port's listening socket")
    parser.add_argument("--workers", type=int, required=True, help="workers behind multi-model-server")
    arguments = parser.parse_args()
    config = ServeConfig.from_environment()
    logs.configure(config.log_level, form=config.log_format)
    metrics = socket.socket(fileno=arguments.metrics) if arguments.metrics is not None else None
    uvloop.run(_run(config, socket.socket(fileno=arguments.socket), metrics, arguments.workers))


async def _run(config: ServeConfig, listener: socket.socket, metrics: socket.socket | None, workers: int) -> None:
    run_dir = Path(os.environ[RUN_DIR_VARIABLE])
    memory = usable_bytes(config.memory_limit_bytes)
    admission = AdmissionControl(
        max_requests=config.max_requests, max_bytes=most_body_bytes(memory, config.max_body_bytes)
    )
    state = LatestState(run_dir)
    Connection.most = connection_limit(config.max_requests)
    async with Client() as client:

        def new_batcher(key: str, batch_size: int) -> Batcher:
            async def send(parts: Sequence[bytes]) -> list[Reply]:
                now = state()
                if not now.accepting:
                    raise DownError
                # Another batch may be ahead of it; multi-model-server ends a worker that does not answer.
                return await client.predict(now.inference_port, parts, 2 * config.deadline_s + _SPARE_S, key)

            limits = Limits(workers=workers, batch_size=batch_size, delay_s=config.batch_delay_ms / 1000)
            return Batcher(limits, send)

        batchers = Batchers(new_batcher, state)
        front = Front(config, run_dir, state, admission, batchers, workers=workers)
        levels = Levels(
            in_flight=lambda: admission.arriving + admission.requests,
            waiting=lambda: batchers.waiting,
            held_bytes=lambda: admission.held_bytes,
            ready=front.ready,
        )
        server = HttpServer(front, keep_alive_s=_KEEP_ALIVE_S)
        drains: set[asyncio.Task[None]] = set()

        async def drain() -> None:
            front.draining = True
            logger.info(event("draining", requests=admission.requests + admission.arriving))
            await admission.until_empty()
            await _say_goodbye(server, min(_GOODBYE_S, config.drain_s / 2))
            # The supervisor holds this socket too: a new connection would wait in it in vain.
            listener.shutdown(socket.SHUT_RDWR)
            for listening in server.servers:
                listening.close()
            server.should_exit = True

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: drains.add(asyncio.ensure_future(drain())))
        async with observing(config, run_dir, levels, lambda: state().models, metrics) as front.observers:
            await server.serve(sockets=[listener])


async def _say_goodbye(server: HttpServer, most_s: float) -> None:
    """Give kept-alive connections `most_s` to end with an answer that announces the close."""
    give_up_at = time.monotonic() + most_s
    while server.server_state.connections and time.monotonic() < give_up_at:
        await asyncio.sleep(0.02)
