"""The directory of a job's checkpoints."""

import json
import os
from pathlib import Path

from container.contract.paths import MlPaths

# A hyperparameter that SageMaker adds to every training job of a tuning job.
_OF_TUNING = "_tuning_objective_metric"


def checkpoint_directory(paths: MlPaths) -> Path:
    """Find the job's checkpoint directory; in a tuning job, whose training jobs share one S3 URI, a folder below it.

    Raises:
        OSError: The folder cannot be created.
    """
    name = os.environ.get("TRAINING_JOB_NAME", "")
    try:
        tuned = _OF_TUNING in json.loads((paths.config / "hyperparameters.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, TypeError):
        tuned = False
    if not (tuned and name and paths.checkpoints.is_dir()):
        return paths.checkpoints
    directory = paths.checkpoints / name
    directory.mkdir(exist_ok=True)
    return directory
