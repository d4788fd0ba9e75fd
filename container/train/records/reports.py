"""The reports at the end of a job. A failure to write one is a warning: the model is already there."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from container.atomic_file import write_atomically
from container.report import PROFILER_REPORT, TRAINING_REPORT, write_profiler_report, write_training_report

logger = logging.getLogger(__name__)


def write_job_card(
    directory: Path,
    *,
    job: str,
    settings: Mapping[str, str],
    classes: Sequence[str],
    train_counts: Sequence[int],
    best_epoch: int,
    exported: Mapping[str, object],
) -> None:
    """Write job.json, which the training report needs in addition to the tables.

    Args:
        directory: The job's output data.
        job: The training job's name; empty if it has none.
        settings: Hyperparameters.
        classes: Class names, in the order of the model's outputs.
        train_counts: Number of training pictures of each class.
        best_epoch: The epoch whose model was kept.
        exported: What is known of the model's graphs, as in `model.json`.

    Raises:
        OSError: It cannot be written.
    """
    fields = {
        "format_version": 1,
        "job": job,
        "settings": dict(settings),
        "classes": list(classes),
        "train_counts": list(train_counts),
        "best_epoch": best_epoch,
        "exported": dict(exported),
    }
    text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    write_atomically(directory / "job.json", lambda path: path.write_text(text, encoding="utf-8"))


def write_reports(directory: Path, *, tested: bool) -> None:
    """Write the reports for which the job's output data has the records.

    Args:
        directory: The job's output data.
        tested: Whether the job reached its test; without one there is no training report.
    """
    profile = directory / "profile"
    profiled = (profile / "profile.json").is_file()
    try:
        for stale in (directory / PROFILER_REPORT, directory / TRAINING_REPORT):
            stale.unlink(missing_ok=True)  # an earlier job's
        if profiled:
            write_profiler_report(profile, directory, beside=[TRAINING_REPORT] if tested else [])
        if tested:
            write_training_report(directory, directory)
    except Exception as error:  # noqa: BLE001 - no fault of a report may cost the trained model
        logger.warning(
            "a report could not be written (%s: %s); slipway report makes it from the recorded files",
            type(error).__name__,
            error,
        )
