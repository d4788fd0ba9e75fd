"""One run of multi-model-server after the other: start it, have it load the model, and know at any time how it is."""

import asyncio
import logging
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from container.errors import ServeError
from container.processes import is_alive
from container.serve.client import Client
from container.serve.config import STARTUP_TIMEOUT, ServeConfig
from container.serve.logs import event
from container.serve.memory_file import MemoryFile
from container.serve.model_server import MODEL, InnerPorts, place_in_store
from container.serve.model_server_process import ModelServerEndedError, ModelServerProcess
from container.serve.replies import RequestError, RequestHead
from container.serve.resources import Machine
from container.serve.state import Ends, ServerState, WorkerStatus

logger = logging.getLogger(__name__)

_TICK_S = 0.1
_PROBE_TIMEOUT_S = 30.0

MOST_DEATHS_WHILE_LOADING = 3
"""A worker that ends so often before it has loaded the model will not load it."""

_NOTHING_YET = ServerState(ready=False, accepting=False, reason="the model is being loaded", inference_port=0)


class ModelRunner:
    """multi-model-server with one model, as the supervisor sees it."""

    def __init__(
        self,
        config: ServeConfig,
        machine: Machine,
        client: Client,
        run_dir: Path,
        environment: Mapping[str, str],
        *,
        workers: int,
    ) -> None:
        self._config = config
        self._client = client
        self._run_dir = run_dir
        self._workers = workers
        self._process = ModelServerProcess(config, machine, client, run_dir, environment)
        self._deaths_while_loading = 0
        self._was_ready = False
        self._announced: set[int] = set()
        self._give_up_at = time.monotonic() + config.startup_timeout_s
        self.state = _NOTHING_YET
        """How it is; replaced when that changes."""
        self.changed = asyncio.Event()
        """Set whenever `state` was replaced."""

    @property
    def pids(self) -> set[int | None]:
        """The processes that this started itself, and waits for."""
        return {self._process.pid}

    async def kill(self) -> None:
        """End multi-model-server and every worker."""
        await self._process.kill()

    async def run(self) -> None:
        """Start multi-model-server and watch it until it ends.

        Raises:
            ModelServerEndedError: It ended, or no longer works; nothing of it is left.
            ServeError: The model cannot be loaded, now or ever.
        """
        shutil.rmtree(self._run_dir / "workers", ignore_errors=True)
        self._announced.clear()
        registration: asyncio.Task[str] | None = None
        try:
            place_in_store(self._run_dir, MODEL)
            ports = await self._process.start()
            registration = asyncio.create_task(self._client.register(ports, self._workers))
            await self._watch(ports, registration)
        finally:
            self._tell(
                replace(_NOTHING_YET, reason="the model server is being restarted") if self._was_ready else _NOTHING_YET
            )
            if registration:
                registration.cancel()
            await self.kill()

    async def _watch(self, ports: InnerPorts, registration: asyncio.Task[str]) -> None:
        """Follow the workers; ready is when all of them have loaded the model and a prediction was made since."""
        proven: frozenset[int] = frozenset()
        probe: asyncio.Task[None] | None = None
        loaded: frozenset[int] = frozenset()
        try:
            while True:
                self._process.check()
                now_loaded = self._loaded_workers()
                if registration.done() and (refusal := registration.result()):
                    raise ModelServerEndedError(f"it did not load the model: {refusal}")
                if now_loaded != loaded and probe:
                    probe.cancel()
                    probe = None
                loaded = now_loaded
                complete = registration.done() and len(loaded) >= self._workers
                if complete and loaded != proven:
                    probe = probe or asyncio.create_task(probe_model(self._client, ports))
                    if probe.done():
                        proven = loaded if probe.exception() is None else frozenset()
                        probe = None
                self._judge(ports, registered=registration.done(), loaded=len(loaded), proven=loaded == proven)
                await asyncio.sleep(_TICK_S)
        finally:
            if probe:
                probe.cancel()

    def _judge(self, ports: InnerPorts, *, registered: bool, loaded: int, proven: bool) -> None:
        if loaded >= self._workers and proven:
            reason = ""
            self._was_ready = True
            self._give_up_at = time.monotonic() + self._config.startup_timeout_s
            self._deaths_while_loading = 0
        elif not registered or (loaded < self._workers and not self._was_ready):
            reason = "the model is being loaded"
        elif loaded < self._workers:
            reason = f"{self._workers - loaded} of {self._workers} workers are being restarted"
        else:
            reason = "the model is being warmed up"
        if time.monotonic() > self._give_up_at:
            raise ServeError(
                f"the server was not ready within {self._config.startup_timeout_s:.0f} seconds ({reason}); "
                f"{STARTUP_TIMEOUT.names[0]} gives it longer"
            )
        self._tell(ServerState(ready=not reason, accepting=registered, reason=reason, inference_port=ports.inference))

    def _loaded_workers(self) -> frozenset[int]:
        """The workers that have the model and live. A worker that can never have it ends the server."""
        loaded = set()
        for status in WorkerStatus.read_all(self._run_dir):
            if status.phase == "failed":
                if status.trace:
                    logger.error(event("load-failed", worker=status.pid), extra={"trace": status.trace})
                raise ServeError(status.message)
            if not is_alive(status.pid):
                self._bury(status)
            elif status.phase == "loaded":
                loaded.add(status.pid)
                if status.pid not in self._announced:
                    logger.info(event("loaded", **status.facts, worker=status.pid))
                    self._announced.add(status.pid)
            if not is_alive(status.server_pid):
                raise ModelServerEndedError("the process that it forks workers from ended")
        return frozenset(loaded)

    def _bury(self, status: WorkerStatus) -> None:
        logger.warning(event("worker-ended", worker=status.pid, phase=status.phase))
        WorkerStatus.forget(self._run_dir, status.pid)
        Ends.count(self._run_dir, "worker")
        if status.phase == "loading":
            self._deaths_while_loading += 1
            if self._deaths_while_loading >= MOST_DEATHS_WHILE_LOADING:
                raise ServeError(
                    f"the worker ended {self._deaths_while_loading} times while it loaded the model, without saying "
                    "why: most often there is too little memory for it"
                )

    def _tell(self, state: ServerState) -> None:
        if state != self.state:
            self.state = state
            self.changed.set()


async def probe_model(client: Client, ports: InnerPorts, model: str = MODEL) -> None:
    """One prediction all the way through multi-model-server and a worker.

    Raises:
        RequestError: It failed.
    """
    start = time.monotonic()
    head = RequestHead(
        request_id=str(uuid.uuid4()),
        content_type=None,
        accept=None,
        deadline=start + _PROBE_TIMEOUT_S,
        probe=True,
    )
    with MemoryFile(()) as nothing:
        [reply] = await client.predict(ports.inference, [head.pack(nothing.address)], _PROBE_TIMEOUT_S, model)
    if reply.status != 200:
        raise RequestError(reply.status, "the warm-up prediction failed")
    logger.info(event("warmed-up", worker=reply.worker, ms=round((time.monotonic() - start) * 1000, 1)))
