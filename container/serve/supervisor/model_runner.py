"""Keeps multi-model-server and models: starts it, follows the models, and ends all of it."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from container.serve.mms.client import Client
from container.serve.mms.machine import Machine
from container.serve.mms.model_server import InnerPorts
from container.serve.mms.model_server_process import ModelServerProcess
from container.serve.protocol.state import ModelState, ServerState
from container.serve.settings.config import ServeConfig
from container.serve.supervisor.failure import Failure, ModelError
from container.serve.supervisor.loader import Loader
from container.serve.supervisor.model import Model

_TICK_S = 0.1


class ModelRunner(ABC):
    """multi-model-server and models; subclasses say which there are, and what a failure leads to."""

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
        """
        Args:
            config: The settings.
            machine: The resources to serve with.
            client: To reach multi-model-server.
            run_dir: Where the parts of the server keep their files.
            environment: Variables of the processes that this starts.
            workers: Workers of each model.
        """
        self._config = config
        self._run_dir = run_dir
        self._workers = workers
        self._process = ModelServerProcess(config, machine, client, run_dir, environment)
        self._loader = Loader(client, workers=workers)
        self._models: dict[str, Model] = {}
        self._ports: InnerPorts | None = None
        self.changed = asyncio.Event()
        """Set whenever `state` was replaced."""
        self.state = ServerState(ready=False, accepting=False, reason="the server is starting", inference_port=0)
        """The server's state; replaced when that changes."""

    @property
    def pids(self) -> set[int | None]:
        """Processes that this started and waits for."""
        return {self._process.pid}

    async def run(self) -> None:
        """Start multi-model-server, load its models, and follow them.

        Raises:
            ModelServerEndedError: A part ended, or no longer works; nothing of it is left, and this can be run again.
            ServeError: The server cannot go on.
        """
        try:
            async with self._started() as self._ports:
                self._publish()
                while True:
                    self._check()
                    for model in list(self._models.values()):
                        if not model.lock.locked() and (error := failure_of(model)):
                            self._failed(model, error)
                    await asyncio.sleep(_TICK_S)
        finally:
            await self.kill()
            self._publish()

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[InnerPorts]:
        """Start everything that models depend on."""
        yield await self._process.start()

    def _check(self) -> None:
        """Raise `ModelServerEndedError` if a part has ended."""
        self._process.check()

    async def kill(self) -> None:
        """End everything, the models' processes too."""
        self._ports = None
        following = [model.following for model in self._models.values() if model.following]
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        for model in self._models.values():
            model.following = None
        await self._process.kill()

    def _follow(self, model: Model, ports: InnerPorts, *, retry_warm_up: bool) -> "asyncio.Task[None]":
        model.following = asyncio.create_task(
            self._loader.follow(model, ports, self._publish, retry_warm_up=retry_warm_up), name=f"follow {model.key}"
        )
        return model.following

    @property
    def _served(self) -> dict[str, ModelState]:
        """The models that the front may know, by name."""
        return {model.name: model.state for model in self._models.values() if model.serving}

    @abstractmethod
    def _failed(self, model: Model, error: ModelError) -> None:
        """Handle a model that is not being followed; what this raises ends `run`."""

    @abstractmethod
    def _new_state(self) -> ServerState:
        """Derive the server's state."""

    def _publish(self) -> None:
        """Write the state at once if it changed: the front must find it when a request to load a model is answered."""
        state = self._new_state()
        if state == self.state:
            return
        self.state = state
        with contextlib.suppress(OSError):
            # The supervisor writes it again, and logs the error.
            state.write(self._run_dir)
        self.changed.set()


def failure_of(model: Model) -> ModelError | None:
    """Why a model is not being followed; None if it is."""
    if model.following is None or model.following.cancelled():
        return ModelError(Failure.PART_ENDED, "a part of the server ended")
    if not model.following.done():
        return None
    error = model.following.exception()
    if isinstance(error, ModelError):
        return error
    raise error or RuntimeError("a model is no longer followed")
