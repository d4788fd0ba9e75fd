"""The front as a process: uvicorn on a socket that the supervisor has opened, until SIGTERM and the last answer."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from container.serve import logs
from container.serve.client import Client, DownError
from container.serve.config import ServeConfig
from container.serve.connection import Connection
from container.serve.descriptors import connection_limit
from container.serve.front import Front
from container.serve.gate import Gate, most_bytes
from container.serve.http_server import HttpServer
from container.serve.lane import Lane, Limits
from container.serve.logs import event
from container.serve.model_server import MODEL
from container.serve.multi_model.traffic import Traffic
from container.serve.replies import Reply
from container.serve.resources import usable_bytes
from container.serve.state import RUN_DIR_VARIABLE, LatestState
from container.serve.watch.request_record import Levels
from container.serve.watch.watching import watching

logger = logging.getLogger(__name__)

# Longer than the load balancers' own, so that it is they who close an idle connection.
_KEEP_ALIVE_S = 75

# What multi-model-server itself takes to end two workers that hang.
_SPARE_S = 30.0


def command(descriptor: int, metrics: int | None, workers: int) -> list[str]:
    """The command that starts a front on inherited listening sockets, the public one and perhaps the metrics'."""
    return [
        sys.executable, "-m", "container.serve.front_process", "--socket", str(descriptor), "--workers", str(workers),
        *([] if metrics is None else ["--metrics", str(metrics)]),
    ]  # fmt: skip


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="The public side of the server; started by the supervisor.")
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the listening socket")
    parser.add_argument("--metrics", type=int, help="descriptor of the metrics' listening socket")
    parser.add_argument("--workers", type=int, required=True, help="workers behind multi-model-server")
    arguments = parser.parse_args()
    config = ServeConfig.from_environment()
    logs.configure(config.log_level, form=config.log_format)
    metrics = socket.socket(fileno=arguments.metrics) if arguments.metrics is not None else None
    uvloop.run(_run(config, socket.socket(fileno=arguments.socket), metrics, arguments.workers))


async def _run(config: ServeConfig, listener: socket.socket, metrics: socket.socket | None, workers: int) -> None:
    run_dir = Path(os.environ[RUN_DIR_VARIABLE])
    memory = usable_bytes(config.memory_limit_bytes)
    gate = Gate(max_requests=config.max_requests, max_bytes=most_bytes(memory, config.max_body_bytes))
    state = LatestState(run_dir)
    Connection.most = connection_limit(config.max_requests)
    async with Client() as client:

        def new_lane(key: str, batch_size: int) -> Lane:
            async def send(parts: Sequence[bytes]) -> list[Reply]:
                now = state()
                if not now.accepting:
                    raise DownError
                # One bundle may be before it; multi-model-server ends a worker that does not answer.
                return await client.predict(now.inference_port, parts, 2 * config.deadline_s + _SPARE_S, key)

            limits = Limits(workers=workers, batch_size=batch_size, delay_s=config.batch_delay_ms / 1000)
            return Lane(limits, send)

        lanes = Traffic(new_lane) if config.multi_model else new_lane(MODEL, config.batch_size)
        front = Front(config, run_dir, state, gate, lanes, workers=workers)
        levels = Levels(
            in_flight=lambda: gate.arriving + gate.requests,
            waiting=lambda: lanes.waiting,
            held_bytes=lambda: gate.held_bytes,
            ready=front.ready,
        )
        server = HttpServer(front, protocol=Connection, keep_alive_s=_KEEP_ALIVE_S)
        drains: set[asyncio.Task[None]] = set()

        async def drain() -> None:
            front.draining = True
            logger.info(event("draining", requests=gate.requests + gate.arriving))
            await gate.until_empty()
            # The supervisor has this socket too: who came now would wait in it for an answer that nobody gives.
            listener.shutdown(socket.SHUT_RDWR)
            for listening in server.servers:
                listening.close()
            server.should_exit = True

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, lambda: drains.add(asyncio.ensure_future(drain())))
        async with watching(config, run_dir, levels, lambda: state().models, metrics) as front.watchers:
            await server.serve(sockets=[listener])


if __name__ == "__main__":
    main()
