"""The files of the steps, and of the phases between them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from container.contract.step_phases import PHASES
from container.train.profiler.profiler import JobPhase
from container.train.profiler.timing import StepRecord

COLUMNS = ("step", "epoch", "start", "wall", "pictures", *PHASES)
"""The columns of the steps' files, whose first line names them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseRecord:
    """A phase outside steps."""

    name: JobPhase
    epoch: int | None
    start: float
    """Seconds since 1970."""
    seconds: float


class RecordFiles:
    """The files of one process: `steps/rank-00000.jsonl` and `phases/rank-00000.jsonl`, one line per record."""

    def __init__(self, directory: Path, rank: int) -> None:
        self._steps, self._phases = (directory / name / f"rank-{rank:05d}.jsonl" for name in ("steps", "phases"))

    def append(self, steps: list[StepRecord], phases: list[PhaseRecord]) -> None:
        """Append records to the files.

        Raises:
            OSError: They cannot be written.
        """
        if not self._steps.exists():
            _append(self._steps, json.dumps({"columns": COLUMNS}) + "\n")
        _append(self._steps, "".join(_line(step) for step in steps))
        _append(self._phases, "".join(json.dumps(_rounded(asdict(phase))) + "\n" for phase in phases))


def _append(path: Path, text: str) -> None:
    if text:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)


def _line(step: StepRecord) -> str:
    seconds = [round(step.phases.get(phase, 0.0), 7) for phase in PHASES]
    values = [step.step, step.epoch, round(step.start, 6), round(step.wall, 7), step.pictures, *seconds]
    return json.dumps(values) + "\n"


def _rounded(fields: dict[str, object]) -> dict[str, object]:
    return {name: round(value, 6) if isinstance(value, float) else value for name, value in fields.items()}
