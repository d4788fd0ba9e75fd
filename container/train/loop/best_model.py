"""The model directory while a job trains: it holds the best model so far."""

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from container import artifact
from container.contract.channels import SPLITS
from container.model_card import ModelCard
from container.networks.state_dict import StateDict
from container.train.loop.job import Job
from container.train.loop.progress import Progress
from container.train.records.saving import saving

_PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow", "safetensors", "sagemaker-training")


def save_model(job: Job, tensors: StateDict, progress: Progress) -> None:
    """Write the model directory in the background. For the first process.

    Args:
        job: The job.
        tensors: The model's state dict, which nothing changes any more.
        progress: At which they are the best; goes into the model's card.
    """
    card = ModelCard(
        architecture=job.config.model_type,
        classes=job.splits.classes,
        preprocessing=job.preprocessing,
        weights=progress.weights,
        training=_training_summary(job, progress),
    )

    def write() -> None:
        with saving("model", job.paths.model, tensors):
            artifact.save(job.paths.model, tensors, card)

    job.writer.write(write)


def _training_summary(job: Job, progress: Progress) -> dict[str, Any]:
    best = next((record for record in progress.history if record["epoch"] == progress.best_epoch), None)
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "job": job.name,
        "pictures": {name: len(getattr(job.splits, name)) for name in SPLITS} | {"unreadable": job.unreadable},
        "hyperparameters": job.config.to_strings(),
        "evaluation": best,
        "versions": package_versions(),
    }


def package_versions() -> dict[str, str]:
    """The versions of Python and of the packages that results depend on."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}
