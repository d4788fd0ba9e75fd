"""Putting the watchers together that the settings ask for."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Container
from pathlib import Path

from container.serve.config import ServeConfig
from container.serve.http_server import HttpServer
from container.serve.state import SUPERVISOR_VARIABLE
from container.serve.watch.emf import Emf
from container.serve.watch.request_record import Levels, Watcher

_KEEP_ALIVE_S = 75


@contextlib.asynccontextmanager
async def watching(
    config: ServeConfig,
    run_dir: Path,
    levels: Levels,
    loaded: Callable[[], Container[str]],
    listener: socket.socket | None,
) -> AsyncIterator[list[Watcher]]:
    """Serve the metrics, and write them into the log, as long as this is held.

    Args:
        config: The server's settings.
        run_dir: Where the supervisor and the workers leave their word.
        levels: The front's.
        loaded: Of many models, the names of those that are loaded.
        listener: The port of the metrics, open; None where there shall be none.

    Yields:
        What is to be told of every request.
    """
    watchers: list[Watcher] = []
    async with contextlib.AsyncExitStack() as stack:
        if listener is not None:
            # Only here: who does not ask for metrics need not wait for the package.
            from container.serve.watch.metrics import Metrics
            from container.serve.watch.metrics_server import MetricsApp
            from container.serve.watch.model_labels import ModelLabels
            from container.serve.watch.server_collector import ServerCollector

            labels = ModelLabels(loaded) if config.multi_model else None
            metrics = Metrics(levels, labels)
            supervisor = int(os.environ[SUPERVISOR_VARIABLE])
            metrics.registry.register(ServerCollector(run_dir, supervisor, use_gpus=config.use_cuda))
            server = HttpServer(MetricsApp(metrics.registry), keep_alive_s=_KEEP_ALIVE_S)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            stack.push_async_callback(_stop, server, serving)
            watchers.append(metrics)
        if config.emf_namespace:
            emf = Emf(config.emf_namespace, levels)
            writing = asyncio.create_task(emf.run(config.emf_interval_s))
            stack.push_async_callback(_cancel, writing)
            watchers.append(emf)
        yield watchers


async def _stop(server: HttpServer, serving: "asyncio.Task[None]") -> None:
    server.should_exit = True
    await serving


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
