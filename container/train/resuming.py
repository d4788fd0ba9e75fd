"""When and how a job leaves checkpoints, and how it goes on from one."""

import logging
import math
import time
from typing import Any

import torch
from torch import nn

from container.errors import TrainingError
from container.train.behind import copied
from container.train.checkpoint import differences, read_newest_checkpoint, write_checkpoint
from container.train.hyperparameters import TrainConfig
from container.train.running_job import Job, Progress
from container.train.saving import saving

logger = logging.getLogger(__name__)


class Saves:
    """When a checkpoint is due."""

    def __init__(self, config: TrainConfig) -> None:
        self._epochs = config.checkpoint_every
        self._seconds = 60 * config.checkpoint_minutes or math.inf
        self._last = time.monotonic()

    def is_due_within_epoch(self) -> bool:
        """By the clock; each call after that says so once."""
        due = time.monotonic() - self._last >= self._seconds
        if due:
            self._last = time.monotonic()
        return due

    def is_due_after(self, epoch: int) -> bool:
        due = epoch % self._epochs == 0
        if due:
            self._last = time.monotonic()
        return due


def write_behind(job: Job, parts: dict[str, Any], progress: Progress) -> None:
    """Write a checkpoint if the job has a directory for them; a full disk there costs a warning, not the job."""
    if not job.world.is_first or not job.checkpoints.is_dir():
        return
    with job.profiler.phase("checkpoint"):
        if not _is_sound(parts["model"]):
            logger.warning("no checkpoint is written: parameters are not finite any more")
            return
        content: dict[str, Any] = copied({name: part.state_dict() for name, part in parts.items()})
        # The best model's tensors are replaced, never changed.
        content["progress"] = {**vars(progress), "losses": [*progress.losses], "history": [*progress.history]}
        content["fingerprint"] = job.fingerprint()
        directory, epoch, step = job.checkpoints, progress.epoch, progress.step

        def write() -> None:
            try:
                with saving("checkpoint", directory):
                    write_checkpoint(directory, epoch, step, content)
            except TrainingError as error:
                logger.warning("%s; training goes on without it", error)

        job.behind.write(write)


def _is_sound(model: nn.Module) -> bool:
    """Whether all parameters are finite; their losses are read a step later."""
    norms = torch._foreach_norm([parameter.detach() for parameter in model.parameters()])
    return bool(torch.stack(norms).isfinite().all())


def resume(job: Job, parts: dict[str, Any]) -> Progress | None:
    """Load the newest checkpoint into the parts; None where there is none.

    Raises:
        TrainingError: It is another job's.
    """
    # The first process's choice: on SageMaker every host has a directory of its own.
    content = job.world.share(read_newest_checkpoint(job.checkpoints) if job.world.is_first else None)
    if content is None:
        return None
    if differing := list(differences(content["fingerprint"], job.fingerprint())):
        raise TrainingError(
            f"the checkpoints in {job.checkpoints} are another job's: {'; '.join(differing[:3])}. Use an empty "
            "checkpoint directory, or the earlier job's settings"
        )
    for name, part in parts.items():
        if content.get(name):  # a gradient scaler that was not in use has no state, and takes none
            part.load_state_dict(content[name])
    progress = Progress(**content["progress"])
    if not job.world.is_first:
        progress.best_tensors = None
    elif progress.best_tensors is not None:
        job.save_best(progress.best_tensors, progress)
    for watcher in job.watchers:
        watcher.after_epoch(progress.history)
    logger.info("resuming from the checkpoint of epoch %d, step %d", progress.epoch, progress.step)
    return progress
