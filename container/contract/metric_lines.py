"""The metric lines of the log, and the regular expressions that read them. No torch here.

SageMaker, tuning jobs and progress bars read these lines, so their form is an interface.
"""

import re
import sys
from dataclasses import dataclass

# A number as SageMaker's documentation writes it in its own metric definitions, and what diverged losses print.
_NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?|nan|inf)"

_TRAIN = re.compile(rf"Train Epoch: (\d+) \[(\d+)/(\d+) \((\d+)%\)\], Loss: {_NUMBER}")
_EVALUATION = re.compile(rf"(EVAL|TEST): Average loss: {_NUMBER}, Accuracy: (\d+)/(\d+) \({_NUMBER}%\)")

# What a job with a budget says about its epochs; container/train/loop/budget.py and fit.py write it.
_PLAN = re.compile(r"budget: .*?\b(?:(\d+)|no) epochs?\b")

METRIC_DEFINITIONS: list[dict[str, str]] = [
    {"Name": "train_loss", "Regex": rf"Train Epoch: [0-9]+ \[[^\]]*\], Loss: {_NUMBER}"},
    {"Name": "eval_loss_epoch", "Regex": rf"EVAL: Average loss: {_NUMBER}"},
    {"Name": "eval_accuracy_epoch", "Regex": rf"EVAL: Average loss: [^,]*, Accuracy: [0-9]+/[0-9]+ \({_NUMBER}%\)"},
    {"Name": "test_loss", "Regex": rf"TEST: Average loss: {_NUMBER}"},
    {"Name": "test_accuracy", "Regex": rf"TEST: Average loss: [^,]*, Accuracy: [0-9]+/[0-9]+ \({_NUMBER}%\)"},
]
"""Metrics for a job's `MetricDefinitions`: accuracies in percent, losses as means over pictures."""


@dataclass(frozen=True, kw_only=True)
class TrainLine:
    """Progress within an epoch; the loss is the mean of the latest batch."""

    epoch: int
    """Counted from 1."""
    seen: int
    total: int
    loss: float

    def __str__(self) -> str:
        percent = 100 * self.seen / self.total
        return f"Train Epoch: {self.epoch} [{self.seen}/{self.total} ({percent:.0f}%)], Loss: {self.loss:.6f}"


@dataclass(frozen=True, kw_only=True)
class EvaluationLine:
    """The result of one evaluation; the loss is a mean over pictures."""

    phase: str
    """EVAL or TEST."""
    loss: float
    correct: int
    total: int

    @property
    def accuracy(self) -> float:
        """Percent."""
        return 100 * self.correct / self.total

    def __str__(self) -> str:
        return (
            f"{self.phase}: Average loss: {self.loss:.4f}, Accuracy: {self.correct}/{self.total} ({self.accuracy:.2f}%)"
        )


def emit(line: TrainLine | EvaluationLine) -> None:
    """Write a metric line to the log, at once and on a line of its own."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def read_line(line: str) -> TrainLine | EvaluationLine | None:
    """Read a metric line back; None for any other line of a log."""
    if match := _TRAIN.search(line):
        return TrainLine(epoch=int(match[1]), seen=int(match[2]), total=int(match[3]), loss=float(match[5]))
    if match := _EVALUATION.search(line):
        return EvaluationLine(phase=match[1], loss=float(match[2]), correct=int(match[3]), total=int(match[4]))
    return None


def read_planned_epochs(line: str) -> int | None:
    """Read the number of epochs that a budget has time for off the log's line about it; None for any other line."""
    match = _PLAN.match(line)
    return match and int(match[1] or 0)
