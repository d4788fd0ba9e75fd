"""smdebug's Hook, with which a script registers its model and loss.

A step is an optimizer step: tensors are read right before it, when gradients are unscaled, accumulated and reduced over
processes. Steps that save nothing have no hooks in the network, so that a compiled one stays compiled; a step that
saves outputs runs it eagerly. A forward pass without gradients is a step of its own.
"""

import atexit
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
import torch.distributed
from torch import nn

from container.contract.errors import DebuggerError
from container.contract.paths import MlPaths
from container.train.debugger.board import Board
from container.train.debugger.collection import Collection, CollectionKeys, CollectionManager
from container.train.debugger.configuration import (
    HookSettings,
    configuration_file,
    default_settings,
    is_switched_off,
    read_settings,
)
from container.train.debugger.model_hooks import ModelHooks
from container.train.debugger.modes import ModeKeys
from container.train.debugger.reduction_config import ReductionConfig
from container.train.debugger.save_config import SaveConfig
from container.train.debugger.schedule import Schedule
from container.train.debugger.snapshot import Camera
from container.train.debugger.step_saver import StepSaver
from container.train.debugger.trial_writer import END, TrialWriter

logger = logging.getLogger(__name__)


class Hook(StepSaver):
    """Saves tensors in smdebug's format.

    Args:
        out_dir: Directory of the trial.
        export_tensorboard, tensorboard_dir: Write TensorBoard event files too.
        dry_run: Write nothing.
        reduction_config: The default for collections; None saves tensors whole.
        save_config: The default schedule, in any form that smdebug takes; None: every 500th step.
        include_regex: Tensors of the collection `default`.
        include_collections: Collections to save beside the losses.
        save_all: Save everything: inputs and outputs of all modules, weights, gradients.
        include_workers: Which processes of a distributed job write: `one` or `all`.

    Raises:
        DebuggerError: An argument is wrong, or `out_dir` holds a finished trial.
    """

    current: ClassVar["Hook | None"] = None
    """The hook of this process: the one made last, as smdebug keeps it."""

    def __init__(
        self,
        out_dir: str | os.PathLike[str] | None = None,
        export_tensorboard: bool = False,
        tensorboard_dir: str | None = None,
        dry_run: bool = False,
        reduction_config: ReductionConfig | None = None,
        save_config: Any = None,
        include_regex: Sequence[str] | None = None,
        include_collections: Sequence[str] | None = None,
        save_all: bool = False,
        include_workers: str = "one",
    ) -> None:
        enabled = not is_switched_off()
        self.out_dir = Path(out_dir or MlPaths.from_environment().base / "output" / "tensors").expanduser()
        self.rank, self.size = _place()
        writes = enabled and not dry_run and (self.rank == 0 or include_workers == "all")
        if writes and (self.out_dir / END).exists():
            raise DebuggerError(f"{self.out_dir} holds the tensors of a finished trial; give another out_dir")
        self.collection_manager = CollectionManager()
        self.save_config, self.reduction_config = SaveConfig.parse(save_config), reduction_config
        self.include_collections = {"losses", *(include_collections or ())}
        if include_regex:
            self.collection_manager.get("default").include(list(include_regex))
            self.include_collections.add("default")
        if save_all:
            self.collection_manager.get("all").include(".*")
            self.include_collections.add("all")
        board = tensorboard_dir or (self.out_dir / "tensorboard" if export_tensorboard else None)
        self._workers = self.size if include_workers == "all" else 1
        writer = TrialWriter(
            self.out_dir,
            f"worker_{self.rank}",
            lambda: self.collection_manager.to_json_dict(self._workers),
            board=Board(Path(board)) if board else None,
        )
        super().__init__(
            writer,
            Camera(board=board is not None),
            lambda: Schedule(
                self.collection_manager, self.include_collections, self.save_config, self.reduction_config
            ),
            enabled=enabled,
            writes=writes,
        )
        self._model_hooks = ModelHooks(self)
        self._closed = False
        atexit.register(self.close)
        Hook.current = self

    @classmethod
    def create_from_json_file(cls, json_file_path: str | None = None) -> Self:
        """Make a hook from SageMaker's configuration file or SMDEBUG_CONFIG_FILE_PATH, else with the default settings.

        Raises:
            FileNotFoundError: The file that was named does not exist.
            DebuggerError: The file is invalid.
        """
        paths = MlPaths.from_environment()
        try:
            settings = read_settings(Path(json_file_path) if json_file_path else configuration_file(paths), paths)
        except FileNotFoundError:
            if json_file_path:
                raise
            settings = default_settings(paths)
        return cls.from_settings(settings)

    @classmethod
    def from_settings(cls, settings: HookSettings) -> Self:
        """Make a hook from checked settings; log which parts are ignored."""
        for sentence in settings.unknown:
            logger.warning("debug hook configuration: %s", sentence)
        names = None if settings.collections is None else [one.name for one in settings.collections]
        hook = cls(
            out_dir=settings.out_dir,
            tensorboard_dir=str(settings.tensorboard_dir) if settings.tensorboard_dir else None,
            reduction_config=settings.reduction_config,
            save_config=settings.save_config,
            include_regex=settings.include_regex,
            include_collections=names,
            save_all=settings.save_all,
            include_workers=settings.include_workers,
        )
        for one in settings.collections or ():
            collection = hook.get_collection(one.name)
            collection.include(list(one.include_regex))
            collection.save_config, collection.reduction_config = one.save_config, one.reduction_config
            collection.save_histogram = one.save_histogram
        return hook

    # For scripts.

    def register_module(self, module: nn.Module) -> None:
        """Observe a network: its parameters, their gradients, and the inputs and outputs of its modules."""
        if self.enabled:
            self._model_hooks.model(module)

    register_hook = register_module

    def register_loss(self, loss_module: nn.Module) -> None:
        """Observe a loss, such as nn.CrossEntropyLoss()."""
        if self.enabled:
            self._model_hooks.loss(loss_module)

    def set_mode(self, mode: ModeKeys) -> None:
        """Set the mode of the next steps."""
        if not isinstance(mode, ModeKeys):
            raise DebuggerError(f"{mode!r} is not a mode; there are {', '.join(one.name for one in ModeKeys)}")
        self.mode = mode
        self.mode_steps.setdefault(mode, -1)

    def save_scalar(self, name: str, value: Any, sm_metric: bool = False, timestamp: float | None = None) -> None:
        """Save a number with the current step, whatever the schedule, under the name `scalar/<name>`.

        Args:
            name: Its name.
            value: One number.
            sm_metric: Whether it also belongs to the collection sm_metrics.
            timestamp: Ignored; it is saved as of now.
        """
        tensor = torch.as_tensor(value).detach().reshape(-1).clone()
        if tensor.numel() != 1:
            raise DebuggerError(f"the scalar {name} has {tensor.numel()} values")
        if self.writes:
            self._scalars.append((f"scalar/{name}", tensor))
            if sm_metric:
                self.collection_manager.get(CollectionKeys.SM_METRICS).add_tensor_name(f"scalar/{name}")

    def save_tensor(self, tensor_name: str, tensor_value: Any, collections_to_write: Any = "default") -> None:
        """Save the full tensor with the current step if that step saves anything; once the optimizer has stepped, hold
        it for the next step."""
        if not self.writes:
            return
        names = [collections_to_write] if isinstance(collections_to_write, str) else collections_to_write
        for name in names:
            self.get_collection(name).add_tensor_name(tensor_name)
        if self._model_hooks.is_over(given_before=tensor_name in self._given):
            self._held[tensor_name] = torch.as_tensor(tensor_value)
            return
        self._given.add(tensor_name)
        if self.saving:
            self._take_whole(tensor_name, torch.as_tensor(tensor_value))

    def record_tensor_value(self, tensor_name: str, tensor_value: torch.Tensor) -> None:
        """Save a value that no module computes, such as that of F.cross_entropy, as `<name>_output_<n>`."""
        if self.enabled:
            self._model_hooks.seen_a_loss()
            self.record_values(tensor_name, "output", tensor_value)

    def get_collection(self, name: str, create: bool = True) -> Collection:
        return self.collection_manager.get(name)

    def get_collections(self) -> dict[str, Collection]:
        return self.collection_manager.collections

    def add_collection(self, collection: Collection) -> None:
        self.collection_manager.add(collection)

    def close(self) -> None:
        """Write the current step and, except on SageMaker, which does so itself, mark the trial as ended."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        self._model_hooks.release()
        self.finish_step()
        if self.writes:
            self._writer.close(mark_end="TRAINING_JOB_ARN" not in os.environ)

    # For the training program.

    def before_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Read the gradients now, while they are unscaled, and not when the optimizer steps."""
        if self.enabled:
            self._model_hooks.step_ahead(optimizer)

    def begin_unseen_step(self) -> None:
        """Begin the step for which a loss was computed, if its forward pass was not seen."""
        if self.enabled:
            self._model_hooks.seen_a_loss()

    # A model has references to its hooks, and is copied and saved with them.

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _place() -> tuple[int, int]:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
