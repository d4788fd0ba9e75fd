"""The reports at the end of a job. One that cannot be written is a warning: the model is there."""

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
) -> None:
    """Write job.json, which the training report needs beside the tables.

    Args:
        directory: The job's output data.
        job: The training job's name; empty where it has none.
        settings: Hyperparameters.
        classes: Their names, in the order of the network's outputs.
        train_counts: Training pictures of each class.
        best_epoch: The one whose model was kept.

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
    }
    text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    write_atomically(directory / "job.json", lambda path: path.write_text(text, encoding="utf-8"))


def write_reports(directory: Path, *, tested: bool) -> None:
    """Write the pages for which there is a record in the job's output data.

    Args:
        directory: The job's output data.
        tested: Whether the job came to its end: else there is no training report.
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
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a page, it shall not cost the trained model
        logger.warning(
            "a report could not be written (%s: %s); slipway report makes it of the recorded files",
            type(error).__name__,
            error,
        )
