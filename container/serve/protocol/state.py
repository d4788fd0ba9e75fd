"""The state of the server and its workers, in small files in the run directory.

The supervisor writes the server's state to one file; every worker reports its progress in a file of its own. A file is
replaced as a whole, so that a reader never sees half of one; only if the disk is full is it overwritten in place, which
takes no room.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from container.full_disk import is_disk_full

RUN_DIR_VARIABLE = "SLIPWAY_RUN_DIR"
SUPERVISOR_VARIABLE = "SLIPWAY_SUPERVISOR_PID"

MODEL_DIR_FILE = "model-directory"
"""The file with the path of the model, in the model's directory in multi-model-server's store."""

FIXED_MODEL = "model"
"""Name of the model of a server with only one."""

_WORKERS = "workers"
_ENDS = "ends.json"

# The supervisor writes twice a second.
STALE_AFTER_S = 3.0
_READ_AGAIN_AFTER_S = 0.05


@dataclass(frozen=True, kw_only=True)
class ModelState:
    """A loaded model, as far as requests depend on it."""

    url: str
    """Where it was loaded from."""
    key: str
    """multi-model-server's name of it: of many models, a new one for every load."""
    batch_size: int
    accepting: bool
    """Requests may be sent to it; otherwise it is being loaded again after a part of the server ended."""


@dataclass(frozen=True, kw_only=True)
class ServerState:
    """The state of the server, with one model or with many."""

    ready: bool
    """One model: a prediction was made since it was loaded, and all workers live. Many: models can be loaded."""
    accepting: bool
    """Requests may be sent to multi-model-server: it is up and, if there is one model, has it, ready or not."""
    reason: str
    """Why it is not ready; empty if it is."""
    inference_port: int
    """multi-model-server's port on the loopback address; 0 while it is down."""
    models: Mapping[str, ModelState] = field(default_factory=dict)
    """The loaded models by name; a single one is `FIXED_MODEL`."""
    beat: float = 0.0
    """When it was written, by `time.monotonic()`."""

    def write(self, run_dir: Path) -> bool:
        """Write it; returns False if it was written, but the disk is full.

        Raises:
            OSError: It could not be written.
        """
        return _write(run_dir / "state.json", asdict(replace(self, beat=time.monotonic())))

    @classmethod
    def read(cls, run_dir: Path) -> Self:
        """Read the latest state; not ready and not accepting if there is none, or it is too old to be trusted."""
        nothing = cls(ready=False, accepting=False, reason="the server is starting", inference_port=0)
        try:
            fields = _read(run_dir / "state.json")
            models = {name: ModelState(**model) for name, model in fields.pop("models").items()}
            state = cls(**fields, models=models)
        except (OSError, ValueError):
            return nothing
        if time.monotonic() - state.beat > STALE_AFTER_S:
            return replace(nothing, reason="the supervisor has not been heard from for some seconds")
        return state


class LatestState:
    """A cache of the server's state, for frequent use: it is read again after some milliseconds."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._state = ServerState.read(run_dir)
        self._read_at = time.monotonic()

    def __call__(self, *, fresh: bool = False) -> ServerState:
        """The latest state; `fresh=True` always reads it again."""
        now = time.monotonic()
        if fresh or now - self._read_at > _READ_AGAIN_AFTER_S:
            self._state = ServerState.read(self._run_dir)
            self._read_at = now
        return self._state


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """A worker's report of its progress."""

    pid: int
    server_pid: int
    """The process that the worker was forked from."""
    phase: Literal["loading", "loaded", "failed"]
    message: str = ""
    """With phase `failed`: why loading can never succeed."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What was loaded, as fields for the log."""
    trace: str = ""
    """The stack trace of a failure in the user's own code."""
    out_of_memory: bool = False
    """The failure is that there was too little memory."""

    def write(self, run_dir: Path) -> None:
        (run_dir / _WORKERS).mkdir(exist_ok=True)
        _write(run_dir / _WORKERS / f"{self.pid}.json", asdict(self))

    @classmethod
    def read_all(cls, run_dir: Path) -> list[Self]:
        """Read the reports of all workers so far, dead ones too."""
        return [cls(**_read(path)) for path in sorted((run_dir / _WORKERS).glob("[0-9]*.json"))]

    @staticmethod
    def forget_all(run_dir: Path) -> None:
        """Remove the files of workers that are all dead."""
        shutil.rmtree(run_dir / _WORKERS, ignore_errors=True)

    @staticmethod
    def forget(run_dir: Path, pid: int) -> None:
        """Remove a dead worker's file."""
        (run_dir / _WORKERS / f"{pid}.json").unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Counts of unexpected exits of each part since the server was started."""

    worker: int = 0
    model_server: int = 0
    front: int = 0

    @classmethod
    def read(cls, run_dir: Path) -> Self:
        try:
            return cls(**_read(run_dir / _ENDS))
        except (OSError, ValueError):
            return cls()

    @classmethod
    def count(cls, run_dir: Path, part: Literal["worker", "model_server", "front"]) -> None:
        """Count one; only for the supervisor."""
        counts = asdict(cls.read(run_dir))
        counts[part] += 1
        # It is not counted if the disk is full.
        with contextlib.suppress(OSError):
            _write(run_dir / _ENDS, counts)


def _write(path: Path, fields: dict[str, object]) -> bool:
    data = json.dumps(fields, default=str).encode()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if is_disk_full(error) and _overwrite(path, data):
            return False
        raise
    return True


def _overwrite(path: Path, data: bytes) -> bool:
    """Overwrite a file within the space that it has; False if there is none, or not enough."""
    try:
        with path.open("r+b", buffering=0) as file:
            about = os.fstat(file.fileno())
            if len(data) > max(about.st_size, about.st_blocks * 512):
                return False
            # In one write, so that a reader hardly ever sees half of it; spaces after JSON mean nothing.
            padded = data.ljust(about.st_size)
            return file.write(padded) == len(padded)
    except OSError:
        return False


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError:
        # It was half overwritten, on a full disk.
        return json.loads(path.read_text())
