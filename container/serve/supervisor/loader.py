"""Has multi-model-server load and unload models, and follows their workers."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable

from container.processes import is_alive, kill_group, reap
from container.serve.mms.client import Client
from container.serve.mms.model_server import InnerPorts
from container.serve.protocol.memory_file import MemoryFile
from container.serve.protocol.replies import RequestError, RequestHead
from container.serve.settings.logs import event
from container.serve.supervisor.failure import Failure, ModelError
from container.serve.supervisor.model import Model, worker_died

logger = logging.getLogger(__name__)

_TICK_S = 0.05
_READY_TICK_S = 0.25
_PROBE_TIMEOUT_S = 30.0

# Far longer than a killed process takes to disappear.
_END_S = 10.0

# multi-model-server notices a worker's death before the process is gone, because its connections close first.
_LAST_REPORT_S = 2.0


class Loader:
    """Loads and unloads models; the same for one model and for many."""

    def __init__(self, client: Client, *, workers: int) -> None:
        """
        Args:
            client: To reach multi-model-server.
            workers: Workers of each model.
        """
        self._client = client
        self._workers = workers

    async def follow(
        self, model: Model, ports: InnerPorts, changed: Callable[[], None], *, retry_warm_up: bool
    ) -> None:
        """Load a model at `model.place`, and follow its workers: multi-model-server replaces those that end.

        The model is ready when all workers have loaded it and a prediction was made since. It is not when one has died.

        Args:
            model: The model, whose state is updated.
            ports: multi-model-server's ports.
            changed: Called after every change of its state.
            retry_warm_up: Retry a failed first prediction until `model.give_up_at`. Later ones are always retried.

        Raises:
            ModelError: It failed. This never returns normally.
        """
        registration = asyncio.create_task(self._client.register(ports, self._workers, model.key))
        probe: asyncio.Task[None] | None = None
        proven = loaded = frozenset[int]()
        try:
            while True:
                now_loaded = model.loaded_workers()
                if registration.done() and (refusal := registration.result()):
                    raise await _refused(model, refusal)
                if now_loaded != loaded and probe:
                    probe.cancel()
                    probe = None
                loaded = now_loaded
                if registration.done() and len(loaded) >= self._workers and loaded != proven:
                    probe = probe or asyncio.create_task(self._probe(model, ports))
                    if probe.done():
                        failure = probe.exception()
                        if failure is None:
                            proven, retry_warm_up = loaded, True
                        elif not retry_warm_up:
                            raise failure
                        probe = None
                if model.set_progress(
                    registered=registration.done(),
                    missing=max(0, self._workers - len(loaded)),
                    workers=self._workers,
                    proven=loaded == proven,
                ):
                    changed()
                if time.monotonic() > model.give_up_at:
                    seconds = f"{model.config.startup_timeout_s:.0f} seconds"
                    raise ModelError(Failure.TOO_LATE, seconds, detail=model.reason)
                await _pause(_READY_TICK_S if model.ready else _TICK_S, registration, probe)
        finally:
            registration.cancel()
            if probe:
                probe.cancel()
            model.set_lost()
            changed()

    async def _probe(self, model: Model, ports: InnerPorts) -> None:
        """Make one prediction all the way through multi-model-server and a worker.

        Raises:
            ModelError: It failed.
        """
        start = time.monotonic()
        head = RequestHead(
            request_id=str(uuid.uuid4()),
            content_type=None,
            accept=None,
            deadline=start + _PROBE_TIMEOUT_S,
            probe=True,
        )
        try:
            with MemoryFile(()) as nothing:
                parts = [head.pack(nothing.address)]
                [reply] = await self._client.predict(ports.inference, parts, _PROBE_TIMEOUT_S, model.key)
        except RequestError as error:
            raise ModelError(Failure.WARM_UP, error.message, status=error.status) from error
        if reply.status != 200:
            raise ModelError(Failure.WARM_UP, "the warm-up prediction failed", status=reply.status)
        logger.info(event("warmed-up", worker=reply.worker, ms=round((time.monotonic() - start) * 1000, 1)))

    async def unload(self, model: Model, ports: InnerPorts) -> None:
        """Unload a model; its processes are gone when this returns."""
        if model.following:
            model.following.cancel()
            await asyncio.gather(model.following, return_exceptions=True)
        start = time.monotonic()
        statuses = model.statuses
        for status in statuses:
            # A worker then removes the pipes that it made.
            with contextlib.suppress(ProcessLookupError):
                os.kill(status.pid, signal.SIGTERM)
        if problem := await self._client.unregister(ports, model.key):
            logger.warning(event("unregister", model=model.key, why=problem))
        pids = {pid for status in statuses for pid in (status.pid, status.server_pid)}
        for status in statuses:
            kill_group(status.server_pid)
        while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < start + _END_S:
            await asyncio.sleep(_TICK_S)
        for pid in pids:
            reap(pid)
        if left:
            logger.error(event("still-there", model=model.key, processes=left))
        shutil.rmtree(model.place, ignore_errors=True)


async def _pause(seconds: float, *tasks: asyncio.Task[object] | None) -> None:
    """Wait for some seconds, or until one of the tasks is done."""
    running = [task for task in tasks if task and not task.done()]
    if running:
        await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    else:
        await asyncio.sleep(seconds)


async def _refused(model: Model, why: str) -> ModelError:
    """The error where multi-model-server did not load a model, most often because a worker died."""
    give_up_at = time.monotonic() + _LAST_REPORT_S
    while not model.worker_died and time.monotonic() < give_up_at:
        await asyncio.sleep(_TICK_S)
        model.loaded_workers()
    return worker_died() if model.worker_died else ModelError(Failure.REFUSED, why)
