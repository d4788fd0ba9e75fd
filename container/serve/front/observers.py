"""The observers of requests that the settings ask for."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Container
from pathlib import Path

from container.serve.front.http_server import HttpServer
from container.serve.protocol.state import SUPERVISOR_VARIABLE
from container.serve.settings.config import ServeConfig
from container.serve.watch.emf import Emf
from container.serve.watch.request_record import Levels, RequestObserver

_KEEP_ALIVE_S = 75


@contextlib.asynccontextmanager
async def observing(
    config: ServeConfig,
    run_dir: Path,
    levels: Levels,
    loaded: Callable[[], Container[str]],
    listener: socket.socket | None,
) -> AsyncIterator[list[RequestObserver]]:
    """Serve metrics, and log them, until the context is left.

    Args:
        config: The server's settings.
        run_dir: Where the supervisor and the workers report.
        levels: The front's gauges.
        loaded: The names of the loaded models, where there are many.
        listener: The metrics port's socket; None for no metrics port.

    Yields:
        Observers to notify of every finished request.
    """
    observers: list[RequestObserver] = []
    async with contextlib.AsyncExitStack() as stack:
        if listener is not None:
            # Imported only where metrics are wanted: the package takes its time.
            from container.serve.watch.metrics import Metrics
            from container.serve.watch.metrics_server import MetricsApp
            from container.serve.watch.model_labels import ModelLabels
            from container.serve.watch.server_collector import ServerCollector

            labels = ModelLabels(loaded) if config.multi_model else None
            metrics = Metrics(levels, labels)
            supervisor = int(os.environ[SUPERVISOR_VARIABLE])
            metrics.registry.register(
                ServerCollector(run_dir, supervisor, use_gpus=config.use_cuda, many_models=config.multi_model)
            )
            server = HttpServer(MetricsApp(metrics.registry), keep_alive_s=_KEEP_ALIVE_S)
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            stack.push_async_callback(_stop, server, serving)
            observers.append(metrics)
        if config.emf_namespace:
            emf = Emf(config.emf_namespace, levels)
            writing = asyncio.create_task(emf.run(config.emf_interval_s))
            stack.push_async_callback(_cancel, writing)
            observers.append(emf)
        yield observers


async def _stop(server: HttpServer, serving: "asyncio.Task[None]") -> None:
    server.should_exit = True
    await serving


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
