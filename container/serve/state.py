"""What the parts of a server tell each other through small files in the run directory.

The supervisor says in one file whether the server is ready; every worker says in a file of its own how far it is.
A file is replaced as a whole, so a reader never sees half of one; only where the disk is full it is overwritten in its
place, which takes no room.
"""

import contextlib
import errno
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

RUN_DIR_VARIABLE = "SLIPWAY_RUN_DIR"
SUPERVISOR_VARIABLE = "SLIPWAY_SUPERVISOR_PID"

MODEL_DIR_FILE = "model-directory"
"""Of many models: the file in the place of a model in multi-model-server's store that says where the model is."""

_WORKERS = "workers"
_ENDS = "ends.json"

# The supervisor writes twice a second.
STALE_AFTER_S = 3.0
_READ_AGAIN_AFTER_S = 0.05

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, kw_only=True)
class HeldModel:
    """One of many models, as requests need to know it."""

    url: str
    """Where it was loaded from, as in the request to load it."""
    key: str
    """What multi-model-server calls it: another one every time it is loaded."""
    batch_size: int
    accepting: bool
    """Requests may be sent to it; else it is being loaded again after a part of the server ended."""


@dataclass(frozen=True, kw_only=True)
class ServerState:
    """The supervisor's word."""

    ready: bool
    """A prediction was made since the model was loaded, and all workers live."""
    accepting: bool
    """Requests may be sent to multi-model-server: it is up and has the model, ready or not."""
    reason: str
    """Why it is not ready; empty if it is."""
    inference_port: int
    """multi-model-server's, on the loopback address; 0 while there is none."""
    models: Mapping[str, HeldModel] = field(default_factory=dict)
    """Of many models, those that are loaded, by name."""
    beat: float = 0.0
    """`time.monotonic()` of the writing."""

    def write(self, run_dir: Path) -> bool:
        """False: it is written, but the disk is full.

        Raises:
            OSError: It could not be written.
        """
        return _write(run_dir / "state.json", asdict(replace(self, beat=time.monotonic())))

    @classmethod
    def read(cls, run_dir: Path) -> Self:
        """The last word; not ready and not accepting where there is none, or it is too old to be trusted."""
        nothing = cls(ready=False, accepting=False, reason="the server is starting", inference_port=0)
        try:
            fields = _read(run_dir / "state.json")
            models = {name: HeldModel(**model) for name, model in fields.pop("models").items()}
            state = cls(**fields, models=models)
        except (OSError, ValueError):
            return nothing
        if time.monotonic() - state.beat > STALE_AFTER_S:
            return replace(nothing, reason="the supervisor has not been heard of for some seconds")
        return state


class LatestState:
    """The supervisor's word for whoever asks often: it is read again only when it is some milliseconds old."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._state = ServerState.read(run_dir)
        self._read_at = time.monotonic()

    def __call__(self, *, fresh: bool = False) -> ServerState:
        """The last word; `fresh=True` reads it in any case."""
        now = time.monotonic()
        if fresh or now - self._read_at > _READ_AGAIN_AFTER_S:
            self._state = ServerState.read(self._run_dir)
            self._read_at = now
        return self._state


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """A worker's word."""

    pid: int
    server_pid: int
    """The process that multi-model-server forks workers from."""
    phase: Literal["loading", "loaded", "failed"]
    message: str = ""
    """Failed: why loading can never succeed."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What was loaded, as the log has it."""
    trace: str = ""
    """The stack trace of a failure in the user's own code."""
    out_of_memory: bool = False
    """The failure is that there was too little memory."""

    def write(self, run_dir: Path) -> None:
        (run_dir / _WORKERS).mkdir(exist_ok=True)
        _write(run_dir / _WORKERS / f"{self.pid}.json", asdict(self))

    @classmethod
    def read_all(cls, run_dir: Path) -> list[Self]:
        """Of all workers so far, dead ones too."""
        return [cls(**_read(path)) for path in sorted((run_dir / _WORKERS).glob("[0-9]*.json"))]

    @staticmethod
    def forget(run_dir: Path, pid: int) -> None:
        """Remove a dead worker's file."""
        (run_dir / _WORKERS / f"{pid}.json").unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class Ends:
    """How often each part of the server has ended since the server was started, without being asked to."""

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
        """Count one; for the supervisor alone."""
        counts = asdict(cls.read(run_dir))
        counts[part] += 1
        # On a full disk one is not counted.
        with contextlib.suppress(OSError):
            _write(run_dir / _ENDS, counts)


def is_full(error: OSError) -> bool:
    """Whether there is no room on the disk, or no more of it for this user."""
    return error.errno in _FULL


def _write(path: Path, fields: dict[str, object]) -> bool:
    data = json.dumps(fields, default=str).encode()
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if is_full(error) and _overwrite(path, data):
            return False
        raise
    return True


def _overwrite(path: Path, data: bytes) -> bool:
    """Write into the room that a file has already; False where there is none, or not enough."""
    try:
        with path.open("r+b", buffering=0) as file:
            about = os.fstat(file.fileno())
            if len(data) > max(about.st_size, about.st_blocks * 512):
                return False
            # At once, so that a reader hardly ever meets half of it; spaces after JSON mean nothing.
            padded = data.ljust(about.st_size)
            return file.write(padded) == len(padded)
    except OSError:
        return False


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError:
        # Half of it was there, on a full disk.
        return json.loads(path.read_text())
