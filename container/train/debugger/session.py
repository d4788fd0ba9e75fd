"""The debugger of our own training job: whether it has one, and the tensors that are saved beside the network's."""

import logging
import shutil
from pathlib import Path

import torch
import torch.distributed
from torch import nn

from container.contract.errors import DebuggerError
from container.contract.paths import MlPaths
from container.train.debugger.configuration import (
    configuration_file,
    default_settings,
    is_switched_off,
    read_settings,
)
from container.train.debugger.hook import Hook
from container.train.debugger.modes import ModeKeys
from container.train.debugger.trial_writer import END
from container.train.launch.distributed import World

logger = logging.getLogger(__name__)


class Debugger:
    """A hook on the job's network. A failure is one warning; training goes on."""

    def __init__(self, hook: Hook | None = None, *, world_size: int = 1) -> None:
        self._hook = hook
        self._world_size = world_size

    def watch(self, model: nn.Module) -> None:
        """Save this network's tensors from now on."""
        if self._hook is not None:
            self._hook.register_module(model)

    def train(self) -> None:
        """Count the next steps as training."""
        if self._hook is not None:
            self._hook.set_mode(ModeKeys.TRAIN)

    def evaluate(self) -> None:
        """Count the next steps as evaluation."""
        if self._hook is not None:
            self._hook.set_mode(ModeKeys.EVAL)

    def observe(self, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Save the loss, labels and predictions of a batch.

        Args:
            loss: The batch's loss; in training, its mean over all processes is the mean over the whole batch.
            logits: (N, classes).
            labels: int64 (N,).
        """
        hook = self._hook
        if hook is None or not hook.enabled:
            return
        hook.begin_unseen_step()
        if not hook.saving:
            return
        if self._world_size > 1 and hook.trains:  # evaluation's processes may have different numbers of batches
            loss = loss.detach().clone()
            torch.distributed.all_reduce(loss)
            loss /= self._world_size
        hook.attempt(lambda: _record(hook, loss, logits, labels))

    def before_step(self, optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler | None) -> None:
        """Read the unscaled gradients; called after backward.

        Args:
            optimizer: Over the watched network.
            scaler: Unscales the gradients; None if they are unscaled.
        """
        if self._hook is None or not self._hook.enabled:
            return
        if self._hook.saving and scaler is not None and scaler.is_enabled():
            scaler.unscale_(optimizer)
        self._hook.before_step(optimizer)

    def state_dict(self) -> dict[str, int]:
        """Return the steps by mode, for a checkpoint."""
        return {} if self._hook is None else self._hook.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        if self._hook is not None:
            self._hook.load_state_dict(state)

    def close(self) -> None:
        """Write what is left, and end the trial."""
        if self._hook is not None:
            self._hook.close()


def _record(hook: Hook, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
    hook.record_values("CrossEntropyLoss", "output", loss)
    hook.record("labels", labels)
    hook.record("predictions", logits.float())
    hook.record("predicted_classes", logits.argmax(1))


def start_debugger(paths: MlPaths, world: World, *, debug: bool, steps: int, resumes: bool = False) -> Debugger:
    """Start a debugger if there is SageMaker's configuration file or `debug`, unless USE_SMDEBUG=0.

    Args:
        paths: The job's directories.
        world: Its processes; all of them count steps, and the first one writes unless the configuration says all.
        debug: The hyperparameter.
        steps: Steps of the whole job.
        resumes: Whether the job resumes from a checkpoint, and keeps the earlier tensors.

    Returns:
        The debugger; it does nothing if it is not wanted or cannot start.
    """
    file = configuration_file(paths)
    if is_switched_off() or not (debug or file.exists()):
        return Debugger()
    hook = None
    try:
        settings = read_settings(file, paths) if file.exists() else default_settings(paths, steps=steps)
        if world.is_first and settings.out_dir == paths.tensors:
            _clear(settings.out_dir, keep=resumes)
        hook = Hook.from_settings(settings)
    except (DebuggerError, OSError) as error:
        logger.warning("%s; training goes on without the debugger", error)
    if world.any(hook is None) or hook is None:  # saving a step takes all processes
        return Debugger()
    logger.info("the debugger saves tensors to %s", hook.out_dir)
    return Debugger(hook, world_size=world.size)


def _clear(directory: Path, *, keep: bool) -> None:
    """Remove an earlier run's tensors, as its other outputs are, unless this one resumes from it."""
    if (directory / END).exists():
        for name in () if keep else ("events", "index", "collections", "tensorboard"):
            shutil.rmtree(directory / name, ignore_errors=True)
        (directory / END).unlink()
