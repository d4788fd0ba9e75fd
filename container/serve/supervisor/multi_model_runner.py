"""multi-model-server with many models: loads and unloads them on request, and reloads those that were lost."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from container.contract.errors import UserError
from container.processes import children
from container.serve.mms.client import Client
from container.serve.mms.machine import Machine
from container.serve.mms.model_server import InnerPorts
from container.serve.mms.preloaded_process import PreloadedProcess
from container.serve.protocol import control
from container.serve.protocol.replies import RequestError
from container.serve.protocol.state import ServerState
from container.serve.settings.config import ServeConfig
from container.serve.settings.logs import event
from container.serve.settings.resources import most_body_bytes
from container.serve.supervisor import checks
from container.serve.supervisor.address import checked_directory, size_bytes
from container.serve.supervisor.failure import ModelError
from container.serve.supervisor.model import Model
from container.serve.supervisor.model_memory import (
    JAVA_BYTES,
    Budget,
    Usage,
    available_bytes,
    estimate_bytes,
    measured_bytes,
)
from container.serve.supervisor.model_runner import ModelRunner, failure_of

logger = logging.getLogger(__name__)

_TICK_S = 0.01

# Models that are reloaded at the same time.
_MOST_AT_ONCE = 2

# Failed reloads after which a model is given up.
_MOST_FAILURES = 3

_LONGEST_LOGGED = 100


class MultiModelRunner(ModelRunner):
    """Serves the models that it was asked to load; ready when models can be loaded."""

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
        super().__init__(config, machine, client, run_dir, environment, workers=workers)
        self._preloaded = PreloadedProcess(config, run_dir, environment)
        self._preloaded_bytes = 0
        self._budget = Budget(machine.memory_bytes)
        self._most_held = most_body_bytes(machine.memory_bytes, config.max_body_bytes)
        self._count = 0
        self._repairs: dict[str, asyncio.Task[None]] = {}
        self._few = asyncio.Semaphore(_MOST_AT_ONCE)
        self._was_up = False

    @property
    def pids(self) -> set[int | None]:
        return {*super().pids, self._preloaded.pid}

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[InnerPorts]:
        await self._preloaded.start()
        async with super()._started() as ports:
            await self._preloaded.until_up(self._check)
            self._measure_server()
            async with control.answering(self._run_dir, self._answer):
                yield ports

    def _measure_server(self) -> None:
        """Measure, once, the memory of the server without a model."""
        if self._budget.fixed:
            return
        own = [os.getpid(), *children(os.getpid())]
        counted = [Usage.of(pid).proportional for pid in own if pid != self._process.pid]
        self._budget.fixed = sum(counted) + self._process.heap + JAVA_BYTES + self._most_held
        self._preloaded_bytes = self._measure_preloaded()
        logger.info(event("memory", limit_mb=self._budget.limit >> 20, server_mb=self._budget.fixed >> 20))

    def _measure_preloaded(self) -> int:
        return Usage.of(self._preloaded.pid).written if self._preloaded.pid else 0

    def _count_imports(self) -> None:
        """Count as the server's what the preloaded process has imported for a model: all later ones share it."""
        now = max(self._preloaded_bytes, self._measure_preloaded())
        self._budget.fixed += now - self._preloaded_bytes
        self._preloaded_bytes = now

    def _check(self) -> None:
        super()._check()
        self._preloaded.check()

    async def kill(self) -> None:
        self._was_up = self._was_up or self._ports is not None
        self._ports = None
        repairs = list(self._repairs.values())
        for task in repairs:
            task.cancel()
        await asyncio.gather(*repairs, return_exceptions=True)
        await super().kill()
        await self._preloaded.kill()
        for model in self._models.values():
            model.kill()

    def _failed(self, model: Model, error: ModelError) -> None:
        if not model.serving or model.name in self._repairs:
            return
        refusal = error.with_many_models()
        work = self._restore(model, str(error)) if refusal.status == 503 else self._drop(model, refusal.message)
        self._repair(model, work)

    def _repair(self, model: Model, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._repairs[model.name] = task
        task.add_done_callback(lambda _: self._repairs.pop(model.name))

    async def _restore(self, model: Model, why: str) -> None:
        """Reload a model, at a new place."""
        logger.warning(event("model-reload", model=model.key, why=why))
        async with self._few, model.lock:
            ports = self._up()
            await self._loader.unload(model, ports)
            if model.leaving:
                return
            try:
                await self._load(model, ports)
            except RequestError as error:
                # 503: a part ended meanwhile; the run loop tries again.
                model.failures += 1
                if error.status != 503 or model.failures >= _MOST_FAILURES:
                    self._forget(model, error.message)
        self._publish()

    async def _drop(self, model: Model, why: str) -> None:
        async with model.lock:
            await self._loader.unload(model, self._up())
            self._forget(model, why)
        self._publish()

    def _forget(self, model: Model, why: str) -> None:
        logger.error(event("model-lost", model=model.key, model_name=model.name[:_LONGEST_LOGGED], why=why))
        del self._models[model.name]
        self._budget.release(model.name)

    async def _load(self, model: Model, ports: InnerPorts) -> None:
        """Load a model at a new place, so that no late request or restarted worker meets another model.

        Raises:
            RequestError: Why it cannot be loaded; nothing of it is left.
        """
        start = time.monotonic()
        self._count += 1
        model.postpone_giving_up()
        try:
            model.take_place(self._run_dir, f"m{self._count}")
            following = self._follow(model, ports, retry_warm_up=False)
            while not model.ready and not following.done():
                await asyncio.wait({following}, timeout=_TICK_S)
            if error := failure_of(model):
                raise error
            size = await asyncio.to_thread(measured_bytes, model.pids)
        except BaseException as error:
            await self._loader.unload(model, ports)
            if isinstance(error, ModelError):
                raise error.with_many_models() from None
            raise
        self._budget.settle(model.name, size)
        self._count_imports()
        model.serving = True
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
            name: SageMaker's name for it; any text.
            url: Its directory, below `models_dir`.

        Raises:
            RequestError: 409, it is loaded, or being loaded; 507, it does not fit; 400, 404 or 422, there is no such
                model, or it is damaged; 503, not at the moment.
        """
        while present := self._models.get(name):
            if not present.leaving:
                state = "loaded" if present.serving else "being loaded"
                raise RequestError(409, f"this model is {state} already, from {present.url}")
            async with present.lock:
                continue
        ports = self._up()
        model = _checked(name, url, checked_directory(url, self._config.models_dir))
        size = size_bytes(model.config.model_dir)
        self._budget.reserve(name, estimate_bytes(size) * self._workers, available_bytes())
        self._models[name] = model
        async with model.lock:
            try:
                await self._load(model, ports)
            finally:
                if not model.serving:
                    del self._models[name]
                    self._budget.release(name)
        self._publish()

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
                    self._publish()
                    try:
                        await self._loader.unload(model, ports)
                    finally:
                        del self._models[name]
                        self._budget.release(name)
                        self._publish()
                    logger.info(event("model-unloaded", model=model.key, free_mb=self._budget.free >> 20))
                    return
        raise RequestError(404, "no model of this name is loaded")

    def _up(self) -> InnerPorts:
        if self._ports is None:
            raise RequestError(503, "the model server is being restarted; try again")
        return self._ports

    def _new_state(self) -> ServerState:
        up = self._ports is not None
        waits_for = "the model server is being restarted" if self._was_up else "the server is starting"
        return ServerState(
            ready=up,
            accepting=up,
            reason="" if up else waits_for,
            inference_port=self._ports.inference if self._ports else 0,
            models=self._served,
        )


def _checked(name: str, url: str, directory: Path) -> Model:
    """A model whose files and settings have been checked.

    Raises:
        RequestError: 422, something is missing or wrong.
    """
    try:
        config = ServeConfig.from_environment(model_dir=directory)
        checks.check_model_dir(config)
    except UserError as error:
        raise RequestError(422, str(error)) from error
    return Model(name, url, config)
