"""A job's checkpoints: when they are due, what is in them, and how the job resumes from one."""

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from container.contract.errors import TrainingError
from container.train.checkpoints.background_writer import copied
from container.train.checkpoints.checkpoint import differences, read_newest_checkpoint, write_checkpoint
from container.train.device import PRECISIONS
from container.train.loop.best_model import save_model
from container.train.loop.job import Job
from container.train.loop.progress import Progress
from container.train.records.saving import saving

logger = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one job.

    Args:
        job: The job.
        parts: Whatever has a state dict to save and load, by its name in the file; `model` is the model.
    """

    def __init__(self, job: Job, parts: Mapping[str, Any]) -> None:
        self._job = job
        self._parts = parts
        self._epochs = job.config.checkpoint_every
        self._seconds = 60 * job.config.checkpoint_minutes or math.inf
        self._last = time.monotonic()

    def resume(self) -> Progress | None:
        """Load the newest checkpoint into the parts; None if there is none.

        Raises:
            TrainingError: It is another job's.
        """
        job = self._job
        # The first process's choice: on SageMaker every host has a directory of its own.
        content = job.world.share(read_newest_checkpoint(job.checkpoints) if job.world.is_first else None)
        if content is None:
            return None
        if differing := list(differences(content["fingerprint"], job.fingerprint())):
            raise TrainingError(
                f"the checkpoints in {job.checkpoints} are another job's: {'; '.join(differing[:3])}. Use an empty "
                "checkpoint directory, or the earlier job's settings"
            )
        for name, part in self._parts.items():
            if content.get(name):  # a disabled gradient scaler has no state, and accepts none
                part.load_state_dict(content[name])
        progress = Progress(**content["progress"])
        if not job.world.is_first:
            progress.best_tensors = None
        elif progress.best_tensors is not None:
            save_model(job, progress.best_tensors, progress)
        for sink in job.sinks:
            sink.after_epoch(progress.history)
        logger.info("resuming from the checkpoint of epoch %d, step %d", progress.epoch, progress.step)
        return progress

    def is_due_within_epoch(self) -> bool:
        """Whether `checkpoint-minutes` have passed since the last one was due; true once each time."""
        due = time.monotonic() - self._last >= self._seconds
        if due:
            self._last = time.monotonic()
        return due

    def is_due_after(self, epoch: int) -> bool:
        """Whether `checkpoint-every` asks for one after this epoch."""
        due = epoch % self._epochs == 0
        if due:
            self._last = time.monotonic()
        return due

    def write(self, progress: Progress) -> None:
        """Write one in the background if the job has a directory for them; a full disk there costs a warning, not the
        job."""
        job = self._job
        if not job.world.is_first or not job.checkpoints.is_dir():
            return
        with job.profiler.phase("checkpoint"):
            if not _is_finite(self._parts["model"]):
                logger.warning("no checkpoint is written: the parameters are no longer finite")
                return
            content: dict[str, Any] = copied({name: part.state_dict() for name, part in self._parts.items()})
            # The best model's tensors are replaced, never changed.
            content["progress"] = {**vars(progress), "losses": [*progress.losses], "history": [*progress.history]}
            content["fingerprint"] = job.fingerprint()
            content["precision"] = PRECISIONS[job.device.amp_dtype]
            directory, epoch, step = job.checkpoints, progress.epoch, progress.step

            def write() -> None:
                try:
                    with saving("checkpoint", directory, content):
                        write_checkpoint(directory, epoch, step, content)
                except TrainingError as error:
                    logger.warning("%s; training goes on without it", error)

            job.writer.write(write)


def _is_finite(model: nn.Module) -> bool:
    """Whether all parameters are finite: a step's loss is read only during the next one."""
    norms = torch._foreach_norm([parameter.detach() for parameter in model.parameters()])
    return bool(torch.stack(norms).isfinite().all())
