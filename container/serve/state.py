"""What the parts of a server tell each other through small files in the run directory.

The supervisor says in one file whether the server is ready; every worker says in a file of its own how far it is.
A file is replaced as a whole, so a reader never sees half of one.
"""

import json
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Self

RUN_DIR_VARIABLE = "SLIPWAY_RUN_DIR"
SUPERVISOR_VARIABLE = "SLIPWAY_SUPERVISOR_PID"

# The supervisor writes twice a second.
STALE_AFTER_S = 3.0


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
    beat: float = 0.0
    """`time.monotonic()` of the writing."""

    def write(self, run_dir: Path) -> None:
        _write(run_dir / "state.json", asdict(replace(self, beat=time.monotonic())))

    @classmethod
    def read(cls, run_dir: Path) -> Self:
        """The last word; not ready and not accepting where there is none, or it is too old to be trusted."""
        nothing = cls(ready=False, accepting=False, reason="the server is starting", inference_port=0)
        try:
            state = cls(**json.loads((run_dir / "state.json").read_text()))
        except (OSError, ValueError):
            return nothing
        if time.monotonic() - state.beat > STALE_AFTER_S:
            return replace(nothing, reason="the supervisor has not been heard of for some seconds")
        return state


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    """A worker's word."""

    pid: int
    server_pid: int
    """The process that multi-model-server forks workers from."""
    phase: Literal["loading", "loaded", "failed"]
    message: str = ""
    """What was loaded; or, failed, why loading can never succeed."""
    trace: str = ""
    """The stack trace of a failure in the user's own code."""

    def write(self, run_dir: Path) -> None:
        _write(_worker_dir(run_dir) / f"{self.pid}.json", asdict(self))

    @classmethod
    def read_all(cls, run_dir: Path) -> list[Self]:
        """Of all workers so far, dead ones too."""
        return [cls(**json.loads(path.read_text())) for path in sorted(_worker_dir(run_dir).glob("[0-9]*.json"))]

    @staticmethod
    def forget(run_dir: Path, pid: int) -> None:
        """Remove a dead worker's file."""
        (_worker_dir(run_dir) / f"{pid}.json").unlink(missing_ok=True)


def _worker_dir(run_dir: Path) -> Path:
    directory = run_dir / "workers"
    directory.mkdir(exist_ok=True)
    return directory


def _write(path: Path, fields: dict[str, object]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(fields))
    temporary.replace(path)
