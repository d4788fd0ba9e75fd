"""Where a job's checkpoints are."""

import json
import os
from pathlib import Path

from container.paths import MlPaths

# SageMaker gives it to every training job of a tuning job.
_OF_TUNING = "_tuning_objective_metric"


def checkpoint_directory(paths: MlPaths) -> Path:
    """The job's checkpoint directory; in a tuning job, whose training jobs share one address in S3, a folder below it.

    Raises:
        OSError: The folder cannot be made.
    """
    name = os.environ.get("TRAINING_JOB_NAME", "")
    try:
        tuned = _OF_TUNING in json.loads((paths.config / "hyperparameters.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        tuned = False
    if not (tuned and name and paths.checkpoints.is_dir()):
        return paths.checkpoints
    directory = paths.checkpoints / name
    directory.mkdir(exist_ok=True)
    return directory
