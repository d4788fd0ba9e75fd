"""multi-model-server with many models, as the supervisor sees it: loads, unloads, and brings back what was lost."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from pathlib import Path

from container.processes import children, die_with_parent
from container.serve import output
from container.serve.client import Client
from container.serve.config import ServeConfig
from container.serve.gate import most_bytes
from container.serve.logs import event
from container.serve.model_server import InnerPorts
from container.serve.model_server_process import ModelServerEndedError, ModelServerProcess
from container.serve.multi_model import control, preloaded
from container.serve.multi_model.address import checked_directory, size_bytes
from container.serve.multi_model.memory import JAVA_BYTES, Budget, Usage, available_bytes, estimate_bytes
from container.serve.multi_model.models import Loader, Model, ModelLostError, described
from container.serve.replies import RequestError
from container.serve.resources import Machine
from container.serve.state import ServerState

logger = logging.getLogger(__name__)

_TICK_S = 0.25

# Models that are brought back at once.
_MOST_AT_ONCE = 2

# A model that so often cannot be brought back is given up.
_MOST_FAILURES = 3

_LONGEST_LOGGED = 100

_STARTING = ServerState(ready=False, accepting=False, reason="the server is starting", inference_port=0)


class MultiModelRunner:
    """multi-model-server, the process that models are forked from, and the models."""

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
        self._run_dir = run_dir
        self._environment = environment
        self._process = ModelServerProcess(config, machine, client, run_dir, environment)
        self._preloaded: asyncio.subprocess.Process | None = None
        self._loader = Loader(client, run_dir, workers=workers)
        self._workers = workers
        self._budget = Budget(machine.memory_bytes)
        self._most_held = most_bytes(machine.memory_bytes, config.max_body_bytes)
        self._models: dict[str, Model] = {}
        self._ports: InnerPorts | None = None
        self._mending: dict[str, asyncio.Task[None]] = {}
        self._few = asyncio.Semaphore(_MOST_AT_ONCE)
        self._was_up = False
        self.state = _STARTING
        """How it is; replaced when that changes."""
        self.changed = asyncio.Event()
        """Set whenever `state` was replaced."""

    @property
    def pids(self) -> set[int | None]:
        """The processes that this started itself, and waits for."""
        return {self._process.pid, self._preloaded.pid if self._preloaded else None}

    async def kill(self) -> None:
        """End multi-model-server, the preloaded process and every model."""
        self._ports = None
        mending = list(self._mending.values())
        for task in mending:
            task.cancel()
        await asyncio.gather(*mending, return_exceptions=True)
        await self._process.kill()
        if self._preloaded:
            with contextlib.suppress(ProcessLookupError):
                self._preloaded.kill()
            await self._preloaded.wait()
        for model in self._models.values():
            model.kill()

    async def run(self) -> None:
        """Start everything, bring back the models that were loaded, and watch them until a part ends.

        Raises:
            ModelServerEndedError: A part ended; nothing of it is left.
            ServeError: multi-model-server cannot be started.
        """
        try:
            await self._preload()
            ports = await self._process.start()
            await self._until_preloaded()
            self._ports = ports
            async with control.answering(self._run_dir, self._answer):
                self._tell()
                await self._watch()
        finally:
            await self.kill()
            self._tell()

    async def _preload(self) -> None:
        (self._run_dir / preloaded.ADDRESS).unlink(missing_ok=True)
        written = output.descriptor(self._config.log_format, "model-server")
        self._preloaded = await asyncio.create_subprocess_exec(
            *preloaded.command(),
            env=self._environment,
            cwd=self._run_dir,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )

    async def _until_preloaded(self) -> None:
        while not (self._run_dir / preloaded.ADDRESS).is_socket():
            self._check()
            await asyncio.sleep(_TICK_S / 5)
        if not self._budget.fixed:
            own = [os.getpid(), *children(os.getpid())]
            counted = [Usage.of(pid).proportional for pid in own if pid != self._process.pid]
            self._budget.fixed = sum(counted) + self._process.heap + JAVA_BYTES + self._most_held
            logger.info(event("memory", limit_mb=self._budget.limit >> 20, server_mb=self._budget.fixed >> 20))

    def _check(self) -> None:
        self._process.check()
        if self._preloaded is None or self._preloaded.returncode is not None:
            code = self._preloaded.returncode if self._preloaded else None
            raise ModelServerEndedError(f"exit code {code} of the process that models are forked from")

    async def _watch(self) -> None:
        while True:
            self._check()
            for model in list(self._models.values()):
                if not model.serving or model.lock.locked() or model.name in self._mending:
                    continue
                try:
                    if model.accepting and model.loaded_workers() >= 0:
                        continue
                    why = "a part of the server ended"
                except ModelLostError as error:
                    why = str(error)
                except RequestError as error:
                    self._mend(model, self._drop(model, error.message))
                    continue
                self._mend(model, self._restore(model, why))
            await asyncio.sleep(_TICK_S)

    def _mend(self, model: Model, work: Coroutine[None, None, None]) -> None:
        model.accepting = False
        self._tell()
        task = asyncio.create_task(work)
        self._mending[model.name] = task
        task.add_done_callback(lambda _: self._mending.pop(model.name))

    async def _restore(self, model: Model, why: str) -> None:
        """Load a model again, at a new place."""
        logger.warning(event("model-reload", model=model.key, why=why))
        async with self._few, model.lock:
            ports = self._up()
            await self._loader.unload(model, ports)
            if model.leaving:
                return
            model.place = self._loader.next_place()
            try:
                await self._load(model, ports)
            except RequestError as error:
                # 503: something ended meanwhile; the next round tries again.
                model.failures += 1
                if error.status != 503 or model.failures >= _MOST_FAILURES:
                    self._forget(model, error.message)
        self._tell()

    async def _drop(self, model: Model, why: str) -> None:
        async with model.lock:
            await self._loader.unload(model, self._up())
            self._forget(model, why)
        self._tell()

    def _forget(self, model: Model, why: str) -> None:
        logger.error(event("model-lost", model=model.key, model_name=model.name[:_LONGEST_LOGGED], why=why))
        del self._models[model.name]
        self._budget.release(model.name)

    async def _load(self, model: Model, ports: InnerPorts) -> None:
        start = time.monotonic()
        size = await self._loader.load(model, ports, self._check)
        self._budget.settle(model.name, size)
        model.serving = model.accepting = True
        model.failures = 0
        logger.info(
            event(
                "model-loaded",
                model=model.key,
                model_name=model.name[:_LONGEST_LOGGED],
                seconds=round(time.monotonic() - start, 3),
                memory_mb=size >> 20,
                free_mb=self._budget.free >> 20,
            )
        )

    async def _answer(self, question: control.Fields) -> control.Fields:
        match question["verb"]:
            case "load":
                await self.load(question["name"], question["url"])
            case "unload":
                await self.unload(question["name"])
        return {model.name: model.url for model in self._models.values() if model.serving and not model.leaving}

    async def load(self, name: str, url: str) -> None:
        """Load a model and make a prediction with it.

        Args:
            name: What SageMaker calls it; any text.
            url: Its directory, below `models_dir`.

        Raises:
            RequestError: 409, it is loaded, or being loaded; 507, it does not fit; 400, 404 or 422, there is no such
                model, or it is damaged; 503, not now.
        """
        while present := self._models.get(name):
            if not present.leaving:
                state = "loaded" if present.serving else "being loaded"
                raise RequestError(409, f"this model is {state} already, from {present.url}")
            async with present.lock:
                continue
        ports = self._up()
        model = described(name, url, checked_directory(url, self._config.models_dir))
        self._budget.reserve(name, estimate_bytes(size_bytes(model.directory)) * self._workers, available_bytes())
        model.place = self._loader.next_place()
        self._models[name] = model
        async with model.lock:
            try:
                await self._load(model, ports)
            finally:
                if not model.serving:
                    del self._models[name]
                    self._budget.release(name)
        self._tell()

    async def unload(self, name: str) -> None:
        """End a model's processes; its memory is free when this returns. A model that is being loaded is waited for.

        Raises:
            RequestError: 404, there is no such model; 503, not now.
        """
        model = self._models.get(name)
        if model is not None:
            async with model.lock:
                if self._models.get(name) is model:
                    ports = self._up()
                    model.leaving = True
                    self._tell()
                    try:
                        await self._loader.unload(model, ports)
                    finally:
                        del self._models[name]
                        self._budget.release(name)
                        self._tell()
                    logger.info(event("model-unloaded", model=model.key, free_mb=self._budget.free >> 20))
                    return
        raise RequestError(404, "no model of this name is loaded")

    def _up(self) -> InnerPorts:
        if self._ports is None:
            raise RequestError(503, "the model server is being restarted; try again")
        return self._ports

    def _tell(self) -> None:
        """Publish the state at once: a request that follows an answer must find what the answer said."""
        self.state = replace(
            _STARTING,
            ready=self._ports is not None,
            accepting=self._ports is not None,
            reason="" if self._ports else "the model server is being restarted" if self._was_up else _STARTING.reason,
            inference_port=self._ports.inference if self._ports else 0,
            models={model.name: model.held for model in self._models.values() if model.serving},
        )
        self._was_up = self._was_up or self.state.ready
        with contextlib.suppress(OSError):
            # The supervisor writes it again, and says what is wrong.
            self.state.write(self._run_dir)
        self.changed.set()
