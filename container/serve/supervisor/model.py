"""A model and its workers' reports."""

import asyncio
import logging
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from container.full_disk import is_disk_full
from container.processes import is_alive, kill_group
from container.serve.mms.model_server import place_in_store
from container.serve.protocol.state import MODEL_DIR_FILE, Ends, ModelState, WorkerStatus
from container.serve.settings.config import ServeConfig
from container.serve.settings.logs import event
from container.serve.supervisor.failure import Failure, ModelError

logger = logging.getLogger(__name__)

_MOST_DEATHS_WHILE_LOADING = 3
"""After so many, a model counts as impossible to load."""


@dataclass(eq=False)
class Model:
    """A model that is loaded, or is about to be."""

    name: str
    url: str
    config: ServeConfig
    place: Path = Path()
    """Its directory in multi-model-server's store, whose name is multi-model-server's name of the model."""
    serving: bool = False
    """The front knows it, even while it is reloaded after a part of the server ended."""
    registered: bool = False
    """multi-model-server has it: requests may be sent to it."""
    ready: bool = False
    """All workers have loaded it, and a prediction was made since."""
    reason: str = "the model is being loaded"
    """Why it is not ready; empty if it is."""
    was_ready: bool = False
    leaving: bool = False
    """It is being unloaded."""
    failures: int = 0
    """Failed reloads since it was ready."""
    give_up_at: float = 0.0
    """When it counts as failed unless it is ready, by `time.monotonic()`."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while it is loaded or unloaded."""
    following: asyncio.Task[None] | None = None
    """See `Loader.follow`; done when the model has failed."""
    _deaths_while_loading: int = 0
    _announced: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.postpone_giving_up()

    @property
    def key(self) -> str:
        """multi-model-server's name of it."""
        return self.place.name

    @property
    def state(self) -> ModelState:
        """Its state for the front."""
        accepting = self.registered and not self.leaving
        return ModelState(url=self.url, key=self.key, batch_size=self.config.batch_size, accepting=accepting)

    @property
    def pids(self) -> list[int]:
        """Its living processes, except the one that multi-model-server itself started."""
        found = {pid for status in self.statuses for pid in (status.pid, status.server_pid)}
        return [pid for pid in found if is_alive(pid)]

    @property
    def statuses(self) -> list[WorkerStatus]:
        """Its workers' reports."""
        return WorkerStatus.read_all(self.place)

    @property
    def worker_died(self) -> bool:
        """A worker ended while it loaded the model, and the model has not been ready since."""
        return self._deaths_while_loading > 0

    def postpone_giving_up(self) -> None:
        """Start the time within which it has to be ready again."""
        self.give_up_at = time.monotonic() + self.config.startup_timeout_s

    def take_place(self, run_dir: Path, key: str) -> None:
        """Make its directory in multi-model-server's store, without workers' reports.

        Raises:
            ModelError: The disk is full; nothing is left.
        """
        self.place = place_in_store(run_dir, key)
        WorkerStatus.forget_all(self.place)
        self._announced.clear()
        file, text = self.place / MODEL_DIR_FILE, str(self.config.model_dir)
        try:
            # A file that is there already needs no room.
            if not file.is_file() or file.read_text() != text:
                file.write_text(text)
        except OSError as error:
            if not is_disk_full(error):
                raise
            shutil.rmtree(self.place, ignore_errors=True)
            raise ModelError(Failure.NO_ROOM, "there is no room left for temporary files") from error

    def kill(self) -> None:
        """End its processes without telling multi-model-server."""
        for status in self.statuses:
            kill_group(status.server_pid)

    def set_progress(self, *, registered: bool, missing: int, workers: int, proven: bool) -> bool:
        """Derive its state from the progress of its workers.

        Args:
            registered: multi-model-server has it.
            missing: Workers that have not loaded it.
            workers: The number of workers it should have.
            proven: A prediction was made with the present workers.

        Returns:
            Whether anything changed.
        """
        if not missing and proven:
            reason = ""
            self.was_ready = True
            self._deaths_while_loading = 0
            self.postpone_giving_up()
        elif not registered or (missing and not self.was_ready):
            reason = "the model is being loaded"
        elif missing:
            reason = f"{missing} of {workers} workers are being restarted"
        else:
            reason = "the model is being warmed up"
        changed = (self.registered, self.reason) != (registered, reason)
        self.registered, self.ready, self.reason = registered, not reason, reason
        return changed

    def set_lost(self) -> None:
        """Mark it as no longer followed."""
        self.registered = self.ready = False
        self.reason = "the model server is being restarted" if self.was_ready else "the model is being loaded"

    def loaded_workers(self) -> frozenset[int]:
        """The living workers that have loaded it; those that died since the last call are logged, counted and removed.

        Raises:
            ModelError: It cannot be loaded, or the process that its workers are forked from ended.
        """
        loaded = set()
        for status in self.statuses:
            if status.phase == "failed":
                if status.trace:
                    logger.error(event("load-failed", worker=status.pid), extra={"trace": status.trace})
                raise ModelError(Failure.NO_MEMORY if status.out_of_memory else Failure.CANNOT_LOAD, status.message)
            if not is_alive(status.pid):
                self._count_death(status)
            elif status.phase == "loaded":
                loaded.add(status.pid)
                if status.pid not in self._announced:
                    logger.info(event("loaded", **status.facts, worker=status.pid, model=self.key))
                    self._announced.add(status.pid)
            if not is_alive(status.server_pid):
                if self.worker_died:  # most often both are ended for the same memory
                    raise worker_died()
                raise ModelError(Failure.PART_ENDED, "the process that its workers are forked from ended")
        return frozenset(loaded)

    def _count_death(self, status: WorkerStatus) -> None:
        logger.warning(event("worker-ended", worker=status.pid, phase=status.phase, model=self.key))
        WorkerStatus.forget(self.place, status.pid)
        # The place is RUN_DIR/store/KEY.
        Ends.count(self.place.parents[1], "worker")
        if status.phase != "loading":
            return
        self._deaths_while_loading += 1
        if self._deaths_while_loading >= _MOST_DEATHS_WHILE_LOADING:
            raise ModelError(
                Failure.WORKERS_DIE,
                f"a worker ended {self._deaths_while_loading} times while it loaded the model, without saying why: "
                "most often there is too little memory for it",
            )


def worker_died() -> ModelError:
    """The error for a worker that ended while it loaded the model."""
    return ModelError(
        Failure.WORKER_DIED,
        "a worker ended while it loaded the model, without saying why: most often there is too little memory",
    )
