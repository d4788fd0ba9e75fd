"""The training record: a job's metrics, confusion matrix, class sizes, worst mistakes, and debugger findings."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from container.contract.errors import ReportError
from container.report.json_files import read_lines, read_object

METRICS = "metrics.jsonl"
JOB = "job.json"
MISTAKES = "mistakes"
LABEL_ERRORS = "label-errors"
FINDINGS = "debug-findings.json"
PROBABILITIES = "probabilities.json"

_CONFUSION = "confusion_matrix.csv"
_PER_CLASS = "per_class.csv"
_LABEL_ERRORS = "label_errors.csv"
_EPOCH = ("epoch", "train_loss", "eval_loss", "eval_accuracy", "learning_rate")


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A misclassified test picture."""

    picture: Path
    """The thumbnail."""
    path: str
    """`<class>/<picture>` in the test split."""
    true: str
    predicted: str
    probability: float
    """The predicted class's."""
    probability_true: float
    """The true class's."""


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """The findings of one debugger rule in the saved tensors."""

    rule: str
    status: str
    findings: Sequence[Mapping[str, Any]]
    message: str = ""
    """The reason for an error or missing data, or a remark."""


@dataclass(frozen=True, kw_only=True)
class TrainingRecord:
    """All records that the training report shows."""

    job: str
    settings: Mapping[str, str]
    history: Sequence[Mapping[str, Any]]
    """A record for each finished epoch."""
    test: Mapping[str, Any]
    """The test metrics; empty if the job ended before its test."""
    classes: Sequence[str] = ()
    exported: Mapping[str, Any] = field(default_factory=dict)
    """What is known of the model's graphs, as in `model.json`; empty if none were made."""
    train_counts: Sequence[int] = ()
    confusion: Sequence[Sequence[int]] = ()
    """Test pictures by true (row) and predicted (column) class."""
    probabilities: Mapping[str, Any] = field(default_factory=dict)
    """The content of probabilities.json; empty for a job of an earlier version."""
    mistakes: Sequence[Mistake] = ()
    """The worst first."""
    label_errors: Sequence[Mistake] = ()
    """Pictures of validation and test whose label is probably wrong, the most probable first; `predicted` is the class
    that they probably have."""
    label_error_count: int = 0
    """How many there are, with those that have no thumbnail."""
    rules: Sequence[RuleResult] = ()

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest evaluation loss; 0 if none was evaluated."""
        best = min(self.history, key=lambda record: float(record["eval_loss"]), default=None)
        return int(best["epoch"]) if best else 0


def read_training(directory: Path) -> TrainingRecord:
    """Read a job's output data.

    Raises:
        ReportError: There are no metrics, a file is damaged, or another version wrote it.
    """
    file = directory / METRICS
    if not file.is_file():
        raise ReportError(
            f"there is no {METRICS} in {directory}: either the job has not finished an epoch, or Slipway did not run it"
        )
    records = list(read_lines(file))
    if not all(isinstance(record, dict) for record in records):
        raise ReportError(f"{file}: a line is not a JSON object")
    history = [record for record in records if "epoch" in record]
    for record in history:
        if missing := [name for name in _EPOCH if not isinstance(record.get(name), int | float)]:
            raise ReportError(f"{file}: the record of an epoch has no number for {missing[0]}")
    test: Mapping[str, Any] = next((record for record in records if "test_loss" in record), {})
    card = read_object(directory / JOB) if (directory / JOB).is_file() else {}
    classes, confusion = _read_confusion(directory / _CONFUSION)
    return TrainingRecord(
        job=str(card.get("job", "")),
        settings={str(name): str(value) for name, value in card.get("settings", {}).items()},
        history=history,
        test=test,
        exported=exported if isinstance(exported := card.get("exported", {}), dict) else {},
        classes=classes,
        train_counts=_read_counts(directory / _PER_CLASS, classes),
        confusion=confusion,
        probabilities=_read_probabilities(directory / PROBABILITIES),
        mistakes=_read_pictures(directory / MISTAKES),
        label_errors=_read_pictures(directory / LABEL_ERRORS),
        label_error_count=_count_rows(directory / _LABEL_ERRORS),
        rules=_read_rules(directory / FINDINGS),
    )


def _read_confusion(file: Path) -> tuple[Sequence[str], Sequence[Sequence[int]]]:
    if not file.is_file():
        return (), ()
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            header, *rows = csv.reader(stream)
        confusion = [[int(cell) for cell in row[1:]] for row in rows]
    except (OSError, ValueError, csv.Error) as error:
        raise ReportError(f"{file} cannot be read as a confusion matrix: {error}") from error
    classes = header[1:]
    if len(confusion) != len(classes) or any(len(row) != len(classes) for row in confusion):
        raise ReportError(f"{file} does not have as many rows as columns; was it cut off?")
    return classes, confusion


def _read_counts(file: Path, classes: Sequence[str]) -> Sequence[int]:
    if not file.is_file():
        return ()
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            counts = {row["class"]: int(row["train_pictures"]) for row in csv.DictReader(stream)}
        return [counts[name] for name in classes]
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise ReportError(f"{file} cannot be read as a table of the classes: {error}") from error


_OF_PROBABILITIES = (
    "pictures", "accuracy_interval", "top5", "calibration", "calibration_error", "reliability", "coverage", "rejected",
    "average_precision", "curves",
)  # fmt: skip


def _read_probabilities(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        return {}
    found = read_object(file)
    if missing := [name for name in _OF_PROBABILITIES if name not in found]:
        raise ReportError(f"{file} is damaged: it has no {missing[0]}")
    return found


def _count_rows(file: Path) -> int:
    """Count the rows of a table below its header; 0 without one."""
    if not file.is_file():
        return 0
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return max(0, sum(1 for _ in csv.reader(stream)) - 1)
    except (OSError, ValueError, csv.Error) as error:
        raise ReportError(f"{file} cannot be read as a table of label errors: {error}") from error


def _read_pictures(folder: Path) -> Sequence[Mistake]:
    file = folder / f"{folder.name}.json"
    if not file.is_file():
        return ()
    try:
        return [
            Mistake(
                # Never a file outside the folder.
                picture=folder / Path(entry["file"]).name,
                path=str(entry["path"]),
                true=str(entry["true"]),
                predicted=str(entry["predicted"]),
                probability=float(entry["probability"]),
                probability_true=float(entry["probability_true"]),
            )
            for entry in read_object(file)[folder.name]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ReportError(f"{file} is damaged: {error}") from error


def _read_rules(file: Path) -> Sequence[RuleResult]:
    if not file.is_file():
        return ()
    try:
        return [
            RuleResult(
                rule=str(entry["rule"]),
                status=str(entry["status"]),
                findings=list(entry.get("findings", ())),
                message=str(entry.get("message", "")),
            )
            for entry in read_object(file)["rules"]
        ]
    except (KeyError, TypeError) as error:
        raise ReportError(f"{file} is damaged: {error}") from error
