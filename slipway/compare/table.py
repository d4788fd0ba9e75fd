"""The figures of a comparison as a table of texts, for the terminal and the page."""

from collections.abc import Sequence

from slipway.compare.result import Result
from slipway.terminal.durations import duration

HEAD = (
    "model",
    "test accuracy",
    "evaluation accuracy",
    "evaluation loss",
    "best epoch",
    "parameters",
    "model file",
    "training time",
    "pictures/s",
)
"""Column titles. Evaluation is that of the best epoch; time and pictures/s count the training steps only."""

BILLABLE = "billable time"
"""Title of the last column, if jobs ran on SageMaker."""


def rows(results: Sequence[Result]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Build the column titles, and a row for each result."""
    billed = any(result.billable_s is not None for result in results)
    found: list[tuple[str, ...]] = []
    for result in results:
        accuracy = "not tested" if result.test_accuracy is None else f"{result.test_accuracy:.2f} %"
        row: tuple[str, ...] = (
            result.name,
            accuracy,
            f"{result.best.eval_accuracy:.2f} %",
            f"{result.best.eval_loss:.4f}",
            f"{result.best_epoch} of {result.epochs[-1].epoch}",
            f"{result.tensors.parameters / 1e6:.1f} M",
            f"{result.tensors.file_bytes / 1e6:.1f} MB",
            duration(result.training_s),
            f"{result.pictures_per_s:.1f}",
        )
        bill = "" if result.billable_s is None else duration(result.billable_s)
        found.append((*row, bill) if billed else row)
    head: tuple[str, ...] = (*HEAD, BILLABLE) if billed else HEAD
    return head, found
