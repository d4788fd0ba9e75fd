"""multi-model-server with one fixed model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Never

from container.serve.mms.model_server import InnerPorts
from container.serve.protocol.state import FIXED_MODEL, ServerState
from container.serve.settings.config import ServeConfig
from container.serve.supervisor.failure import ModelError
from container.serve.supervisor.model import Model
from container.serve.supervisor.model_runner import ModelRunner


class OneModelRunner(ModelRunner):
    """Serves the model in `config.model_dir`; ready when that is."""

    def __init__(self, config: ServeConfig, *arguments: Any, **settings: Any) -> None:
        super().__init__(config, *arguments, **settings)
        self._model = Model(FIXED_MODEL, str(config.model_dir), config, serving=True)
        self._models[FIXED_MODEL] = self._model
        self.state = self._new_state()

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[InnerPorts]:
        async with super()._started() as ports:
            try:
                self._model.take_place(self._run_dir, FIXED_MODEL)
            except ModelError as error:
                self._failed(self._model, error)
            self._follow(self._model, ports, retry_warm_up=True)
            yield ports

    def _failed(self, model: Model, error: ModelError) -> Never:
        raise error.with_one_model() from error

    def _new_state(self) -> ServerState:
        return ServerState(
            ready=self._model.ready,
            accepting=self._model.registered,
            reason=self._model.reason,
            inference_port=self._ports.inference if self._ports else 0,
            models=self._served,
        )
