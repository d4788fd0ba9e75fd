"""One of many models: its place, its processes, and how it comes up and goes down."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from container.errors import UserError
from container.processes import is_alive, kill_group, reap
from container.serve import checks
from container.serve.client import Client
from container.serve.config import ServeConfig
from container.serve.logs import event
from container.serve.model_runner import MOST_DEATHS_WHILE_LOADING, probe_model
from container.serve.model_server import InnerPorts, place_in_store
from container.serve.model_server_process import ModelServerEndedError
from container.serve.multi_model.memory import measured_bytes
from container.serve.replies import RequestError
from container.serve.state import MODEL_DIR_FILE, Ends, HeldModel, WorkerStatus, is_full

logger = logging.getLogger(__name__)

_TICK_S = 0.02

# Far more than a killed process takes to be gone.
_END_S = 10.0
_LAST_WORD_S = 2.0


_KILLED = "a worker ended while it loaded the model, without saying why: most often there is too little memory"


class ModelLostError(Exception):
    """The model no longer works; the message says why."""


@dataclass
class Model:
    """A model that is loaded, or is about to be."""

    name: str
    url: str
    directory: Path
    config: ServeConfig
    place: Path = Path()
    """Its directory in multi-model-server's store, by whose name that knows the model."""
    serving: bool = False
    """It has been loaded; it may be on its way back after a part of the server ended."""
    accepting: bool = False
    leaving: bool = False
    deaths_while_loading: int = 0
    failures: int = 0
    announced: set[int] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it is loaded or unloaded."""

    @property
    def key(self) -> str:
        return self.place.name

    @property
    def held(self) -> HeldModel:
        return HeldModel(
            url=self.url, key=self.key, batch_size=self.config.batch_size, accepting=self.accepting and not self.leaving
        )

    @property
    def pids(self) -> list[int]:
        """Of its living processes but multi-model-server's stand-in."""
        found = {pid for status in WorkerStatus.read_all(self.place) for pid in (status.pid, status.server_pid)}
        return [pid for pid in found if is_alive(pid)]

    def kill(self) -> None:
        """End its processes without a word to multi-model-server."""
        self.accepting = False
        for status in WorkerStatus.read_all(self.place):
            kill_group(status.server_pid)

    def loaded_workers(self) -> int:
        """How many workers have it.

        Raises:
            RequestError: It cannot be loaded: 422, for a reason of its own; 507, for want of memory.
            ModelLostError: The process that its workers are forked from ended.
        """
        loaded = 0
        for status in WorkerStatus.read_all(self.place):
            if status.phase == "failed":
                if status.trace:
                    logger.error(event("load-failed", worker=status.pid), extra={"trace": status.trace})
                raise RequestError(507 if status.out_of_memory else 422, status.message)
            if not is_alive(status.pid):
                self._bury(status)
            elif status.phase == "loaded":
                loaded += 1
                if status.pid not in self.announced:
                    logger.info(event("loaded", **status.facts, worker=status.pid, model=self.key))
                    self.announced.add(status.pid)
            if not is_alive(status.server_pid):
                if self.deaths_while_loading:  # most often both are ended for the same memory
                    raise RequestError(507, _KILLED)
                raise ModelLostError("the process that its workers are forked from ended")
        return loaded

    def _bury(self, status: WorkerStatus) -> None:
        logger.warning(event("worker-ended", worker=status.pid, phase=status.phase, model=self.key))
        WorkerStatus.forget(self.place, status.pid)
        # The place is RUN_DIR/store/KEY.
        Ends.count(self.place.parents[1], "worker")
        if status.phase == "loaded":
            self.deaths_while_loading = 0
            return
        self.deaths_while_loading += 1
        if self.deaths_while_loading >= MOST_DEATHS_WHILE_LOADING:
            raise RequestError(
                507,
                f"a worker ended {self.deaths_while_loading} times while it loaded the model, without saying why: "
                "most often there is too little memory for it",
            )


def described(name: str, url: str, directory: Path) -> Model:
    """A model that can be loaded as far as its files and the settings say.

    Raises:
        RequestError: 422, what is missing or wrong.
    """
    try:
        config = ServeConfig.from_environment(model_dir=directory)
        checks.check_model_dir(config)
    except UserError as error:
        raise RequestError(422, str(error)) from error
    return Model(name, url, directory, config)


class Loader:
    """Has multi-model-server load and unload models."""

    def __init__(self, client: Client, run_dir: Path, *, workers: int) -> None:
        self._client = client
        self._run_dir = run_dir
        self._workers = workers
        self._count = 0

    def next_place(self) -> Path:
        """A place that no model has had, so that no late request or restarted worker meets another model."""
        self._count += 1
        return place_in_store(self._run_dir, f"m{self._count}")

    async def load(self, model: Model, ports: InnerPorts, check: Callable[[], None]) -> int:
        """Load a model at `model.place` and make a prediction with it; where that fails nothing is left.

        Args:
            model: Which.
            ports: multi-model-server's.
            check: Raises where multi-model-server, or what models are forked from, has ended.

        Returns:
            Bytes of memory that it takes, as measured.

        Raises:
            RequestError: Why it cannot be loaded.
        """
        try:
            (model.place / MODEL_DIR_FILE).write_text(str(model.directory))
        except OSError as error:
            if not is_full(error):
                raise
            shutil.rmtree(model.place, ignore_errors=True)
            raise RequestError(503, "there is no room left for temporary files; try again") from error
        model.deaths_while_loading = 0
        registration = asyncio.create_task(
            self._client.register(ports, self._workers, model.key), name=f"register {model.key}"
        )
        try:
            async with asyncio.timeout(model.config.startup_timeout_s):
                while model.loaded_workers() < self._workers or not registration.done():
                    check()
                    if registration.done() and (refusal := registration.result()):
                        raise await _refused(model, refusal)
                    await asyncio.sleep(_TICK_S)
            await probe_model(self._client, ports, model.key)
            return await asyncio.to_thread(measured_bytes, model.pids)
        except BaseException as error:
            registration.cancel()
            await self.unload(model, ports)
            if isinstance(error, TimeoutError):
                seconds = f"{model.config.startup_timeout_s:.0f} seconds"
                raise RequestError(504, f"the model was not loaded within {seconds}") from None
            if isinstance(error, (ModelLostError, ModelServerEndedError)):
                raise RequestError(503, f"the model was not loaded: {error}; try again") from None
            raise

    async def unload(self, model: Model, ports: InnerPorts) -> None:
        """End a model's processes; they are gone when this returns."""
        model.accepting = False
        start = time.monotonic()
        statuses = WorkerStatus.read_all(model.place)
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


async def _refused(model: Model, why: str) -> RequestError:
    """What a client is told where multi-model-server gave up, which sees that a worker ends before it is gone: its
    connections go first."""
    give_up_at = time.monotonic() + _LAST_WORD_S
    while not model.deaths_while_loading and time.monotonic() < give_up_at:
        await asyncio.sleep(_TICK_S)
        model.loaded_workers()
    if model.deaths_while_loading:
        return RequestError(507, _KILLED)
    return RequestError(500, f"the model was not loaded: {why}")
