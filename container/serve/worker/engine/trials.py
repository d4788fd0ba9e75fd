"""Chooses among engines by timing them, and keeps the choice for the next start."""

import fcntl
import json
import logging
import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from container.atomic_file import write_atomically
from container.first_line import first_line
from container.serve.settings.logs import event
from container.serve.worker.engine.engine import Engine, Pixels

logger = logging.getLogger(__name__)

_FILE = "engine-times.json"
_MOST_S = 60.0
"""No further trial begins after that: the server is not ready until they are done."""
_TIMED_S, _LEAST_TIMED = 0.2, 5


@dataclass(frozen=True)
class Candidate:
    """An engine that may be loaded."""

    name: str
    load: Callable[[], Engine]
    """May raise anything."""


@dataclass(frozen=True, kw_only=True)
class Trials:
    """How engines are compared for one model.

    Args:
        folder: `place_beside(model)`.
        about: What the times depend on: the model, the GPU, versions. A choice made for something else is not used.
        agrees: Whether an engine's outputs are right; logs it if they are not.
        square: A picture.
        batch_size: Most pictures in a forward pass.
        allowed: Whether there is time for trials; else the first one that is right is taken.
    """

    folder: Path
    about: dict[str, Any]
    agrees: Callable[[Engine], bool]
    square: Pixels
    batch_size: int
    allowed: bool

    def choose(self, candidates: Sequence[Candidate]) -> Engine | None:
        """Load the fastest engine whose outputs are right; None if there is none.

        Processes that load the same model wait for the first one's trials. What is not installed or fails is logged and
        passed over; an engine in whose trial the process ended is not tried again.
        """
        if len(candidates) < 2:
            return self.first_right(candidates, "nothing else is installed")
        with _locked(self.folder / f"{_FILE}.lock"):
            kept = self._kept()
            ended = kept.get("trying", [])
            for name in ended:
                why = f"the worker ended while it tried this engine; remove {self.folder / _FILE} to try it again"
                logger.warning(event("engine-refused", engine=name, why=why))
            candidates = [each for each in candidates if each.name not in ended]
            chosen = [each for each in candidates if each.name == kept.get("engine")]
            if found := self.first_right(chosen, f"the fastest one by {_FILE}"):
                return found
            if not self.allowed:
                return self.first_right(candidates, "the others were not timed yet")
            return self._fastest(candidates, ended)

    def first_right(self, candidates: Sequence[Candidate], why: str) -> Engine | None:
        """Load the first engine whose outputs are right, and log `why` it was chosen; None if there is none."""
        for candidate in candidates:
            if engine := self._loaded(candidate):
                logger.info(event("engine", engine=engine.name, precision=engine.precision, why=why))
                return engine
        return None

    def _loaded(self, candidate: Candidate) -> Engine | None:
        try:
            engine = candidate.load()
            return engine if self.agrees(engine) else None
        except Exception as error:  # noqa: BLE001 - torch's and ONNX Runtime's many; the next engine may work
            logger.warning(event("engine-refused", engine=candidate.name, why=first_line(error)))
            return None

    def _fastest(self, candidates: Sequence[Candidate], ended: Sequence[str]) -> Engine | None:
        best, least, timed = None, math.inf, {}
        end = time.monotonic() + _MOST_S
        for candidate in candidates:
            if best and time.monotonic() > end:
                why = f"the engines before it took {_MOST_S:g} s; SLIPWAY_ENGINE={candidate.name} takes it untried"
                logger.warning(event("engine-refused", engine=candidate.name, why=why))
                continue
            self._keep(trying=[*ended, candidate.name])
            start = time.monotonic()
            engine = self._loaded(candidate)
            ready_s = time.monotonic() - start
            if not (engine and (times := self._times(engine))):
                continue
            timed[engine.name] = {"one_ms": round(1e3 * times[0], 3), "batch_ms": round(1e3 * times[1], 3)}
            logger.info(event("engine-timed", engine=engine.name, load_s=f"{ready_s:.1f}", **timed[engine.name]))
            # Low load sends single pictures, high load full batches: both count the same.
            if (score := math.prod(times)) < least:
                best, least = engine, score
        if best:
            why = f"the fastest of {len(timed)}"
            logger.info(event("engine", engine=best.name, precision=best.precision, why=why))
        self._keep(engine=best and best.name, timed=timed, trying=ended)
        return best

    def _times(self, engine: Engine) -> tuple[float, float] | None:
        """Time a forward pass of one picture and one of a full batch, in seconds; None if one fails."""
        try:
            return self._median_s(engine, 1), self._median_s(engine, self.batch_size)
        except Exception as error:  # noqa: BLE001 - as above
            logger.warning(event("engine-refused", engine=engine.name, why=first_line(error)))
            return None

    def _median_s(self, engine: Engine, count: int) -> float:
        """Time forward passes of `count` pictures, in seconds."""
        squares = [self.square] * count
        engine.logits(squares)
        taken: list[float] = []
        while len(taken) < _LEAST_TIMED or sum(taken) < _TIMED_S:
            start = time.perf_counter()
            engine.logits(squares)
            taken.append(time.perf_counter() - start)
        return statistics.median(taken)

    def _kept(self) -> dict[str, Any]:
        """Read what an earlier start has kept; empty if that was for something else."""
        try:
            kept = json.loads((self.folder / _FILE).read_text())
            return dict(kept) if kept["about"] == self.about else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _keep(self, **facts: object) -> None:
        content = json.dumps({"about": self.about, **facts}, indent=2) + "\n"
        with suppress(OSError):  # a full disk: it is measured again
            write_atomically(self.folder / _FILE, lambda path: path.write_text(content))


def place_beside(model_dir: Path) -> Path:
    """The model directory, or where it cannot be written to, a folder for temporary files that belongs to it."""
    if os.access(model_dir, os.W_OK):
        return model_dir
    name = sha256(os.fsencode(model_dir.absolute())).hexdigest()[:16]
    place = Path(tempfile.gettempdir(), f"slipway-engine-{os.geteuid()}-{name}")
    place.mkdir(mode=0o700, exist_ok=True)
    return place


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with ExitStack() as opened:
        with suppress(OSError):  # a full disk: each process measures for itself
            fcntl.flock(opened.enter_context(path.open("a")), fcntl.LOCK_EX)
        yield
