"""smdebug's Hook: what a script registers its model and loss with.

A step is an optimizer step: tensors are read right before it, when gradients are unscaled, accumulated and reduced over
processes. Nothing hooks into the network at steps that save nothing, so that a compiled one stays compiled; a step that
saves outputs runs it eagerly. A forward pass without gradients is a step of its own.
"""

import atexit
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch
import torch.distributed
from torch import nn

from container.errors import DebuggerError
from container.paths import MlPaths
from container.train.debugger.board import Board
from container.train.debugger.collection import Collection, CollectionManager
from container.train.debugger.configuration import (
    HookSettings,
    configuration_file,
    default_settings,
    is_switched_off,
    read_settings,
)
from container.train.debugger.modes import WITHOUT_GRADIENTS, ModeKeys
from container.train.debugger.reduction_config import ReductionConfig
from container.train.debugger.save_config import SaveConfig
from container.train.debugger.schedule import Schedule
from container.train.debugger.snapshot import Camera, Snapshot, StepSnapshots
from container.train.debugger.trial_writer import END, TrialWriter
from container.train.debugger.watch import Watch

logger = logging.getLogger(__name__)


class Hook:
    """Saves tensors in smdebug's format.

    Args:
        out_dir: Directory of the trial.
        export_tensorboard, tensorboard_dir: Event files for TensorBoard beside it.
        dry_run: Write nothing.
        reduction_config: For collections that have none; None: tensors are saved whole.
        save_config: Likewise, in any form that smdebug takes; None: every 500th step.
        include_regex: Tensors of the collection `default`.
        include_collections: Beside the losses.
        save_all: Everything: inputs and outputs of all modules, weights, gradients.
        include_workers: `one`, or `all` processes of a distributed job.

    Raises:
        DebuggerError: An argument is wrong, or `out_dir` holds a finished trial.
    """

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
        self.enabled = not is_switched_off()
        """Whether steps are counted: in every process of a job, so that all know which are saved."""
        self.out_dir = Path(out_dir or MlPaths.from_environment().base / "output" / "tensors").expanduser()
        self.rank, self.size = _place()
        self.writes = self.enabled and not dry_run and (self.rank == 0 or include_workers == "all")
        if self.writes and (self.out_dir / END).exists():
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
        self._writer = TrialWriter(
            self.out_dir,
            f"worker_{self.rank}",
            lambda: self.collection_manager.to_json_dict(self._workers),
            board=Board(Path(board)) if board else None,
        )
        self._camera = Camera()
        self._schedule: Schedule | None = None
        self.mode = ModeKeys.GLOBAL
        self.step = -1
        self.mode_steps = {ModeKeys.GLOBAL: -1}
        self.saving: frozenset[str] = frozenset()
        self._current: StepSnapshots | None = None
        self._scalars: list[tuple[str, torch.Tensor]] = []
        self._written: dict[str, int] = {}
        self._given: set[str] = set()
        """Of the running step: what scripts handed over."""
        self._held: dict[str, torch.Tensor] = {}
        """Of the next one."""
        self._watch = Watch(self)
        self._closed = False
        atexit.register(self.close)
        from container.train.debugger.singleton import set_hook

        set_hook(self)

    @classmethod
    def create_from_json_file(cls, json_file_path: str | None = None) -> Self:
        """From SageMaker's configuration file, SMDEBUG_CONFIG_FILE_PATH, or what `debug=true` saves by default.

        Raises:
            FileNotFoundError: There is no file of the name given.
            DebuggerError: The file is wrong.
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
        """From a checked configuration; says in the log what of it is passed over."""
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

    # What scripts call.

    def register_module(self, module: nn.Module) -> None:
        """Watch a network: its parameters, their gradients, and what its modules put out."""
        if self.enabled:
            self._watch.model(module)

    register_hook = register_module

    def register_loss(self, loss_module: nn.Module) -> None:
        """Watch a loss, such as nn.CrossEntropyLoss()."""
        if self.enabled:
            self._watch.loss(loss_module)

    def set_mode(self, mode: ModeKeys) -> None:
        """Say what the next steps are."""
        if not isinstance(mode, ModeKeys):
            raise DebuggerError(f"{mode!r} is no mode; there are {', '.join(one.name for one in ModeKeys)}")
        self.mode = mode
        self.mode_steps.setdefault(mode, -1)

    def save_scalar(self, name: str, value: Any, sm_metric: bool = False, timestamp: float | None = None) -> None:
        """Save a number with the running step, whatever its schedule; read as `scalar/<name>`."""
        tensor = torch.as_tensor(value).detach().reshape(-1).clone()
        if tensor.numel() != 1:
            raise DebuggerError(f"the scalar {name} has {tensor.numel()} values")
        if self.writes:
            self._scalars.append((f"scalar/{name}", tensor))

    def save_tensor(self, tensor_name: str, tensor_value: Any, collections_to_write: Any = "default") -> None:
        """Save a tensor whole with the running step, if that saves the collection or any other; with the next one
        before that has begun with a forward pass."""
        if not self.writes:
            return
        names = [collections_to_write] if isinstance(collections_to_write, str) else collections_to_write
        for name in names:
            self.get_collection(name).add_tensor_name(tensor_name)
        if self._watch.is_over(given_before=tensor_name in self._given):
            self._held[tensor_name] = torch.as_tensor(tensor_value)
            return
        self._given.add(tensor_name)
        if self.saving:
            self._take_whole(tensor_name, torch.as_tensor(tensor_value))

    def record_tensor_value(self, tensor_name: str, tensor_value: torch.Tensor) -> None:
        """For what no module computes, such as F.cross_entropy: saved as `<name>_output_<n>`."""
        if self.enabled:
            self._watch.seen_a_loss()
            self.record_values(tensor_name, "output", tensor_value)

    def get_collection(self, name: str, create: bool = True) -> Collection:
        return self.collection_manager.get(name)

    def get_collections(self) -> dict[str, Collection]:
        return self.collection_manager.collections

    def add_collection(self, collection: Collection) -> None:
        self.collection_manager.add(collection)

    def close(self) -> None:
        """Write the running step and the mark that says that training has ended, which on SageMaker is SageMaker's."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        self._watch.release()
        self.finish_step()
        if self.writes:
            self._writer.close(mark_end="TRAINING_JOB_ARN" not in os.environ)

    # What the watch and the engine call.

    def begin_step(self) -> None:
        """Count a step of the mode, and find out what it saves."""
        self.finish_step()
        self.step += 1
        self.mode_steps[self.mode] = self.mode_steps.get(self.mode, -1) + 1
        self.mode_steps[ModeKeys.GLOBAL] = self.step
        self.saving = self.schedule.at(self.mode, self.mode_steps[self.mode])
        self._current = StepSnapshots(step=self.step, mode=self.mode, mode_step=self.mode_steps[self.mode])
        self._written.clear()
        held, self._held = self._held, {}
        self._given = set(held)
        for name, value in held.items() if self.saving else ():
            self._take_whole(name, value)

    def finish_step(self) -> None:
        """Hand what the step saves to the writing thread."""
        step, self._current = self._current, None
        if step is None:
            return
        scalars, self._scalars = self._scalars, []
        self._current = step
        for name, value in scalars:
            self._take_whole(name, value)
        self._current = None
        if step.tensors:
            self._writer.put(step)
        self.saving = frozenset()

    @property
    def schedule(self) -> Schedule:
        if self._schedule is None:
            self._schedule = Schedule(
                self.collection_manager, self.include_collections, self.save_config, self.reduction_config
            )
        return self._schedule

    @property
    def trains(self) -> bool:
        return self.mode not in WITHOUT_GRADIENTS

    def record(self, name: str, value: torch.Tensor, factor: torch.Tensor | None = None) -> None:
        """Save a tensor if the running step saves a collection that it is in."""
        if self._current is None or not self.saving or not self.writes:
            return
        wanted = self.schedule.wanted(name, self.saving, tuple(value.shape))
        if wanted is not None:
            self._camera.take(value, factor, wanted, self._current)

    def record_values(self, name: str, what: str, values: Any) -> None:
        """Save a module's inputs or outputs, numbered through the step."""
        if isinstance(values, torch.Tensor):
            key = f"{name}_{what}_"
            number = self._written.get(key, 0)
            self._written[key] = number + 1
            self.record(f"{key}{number}", values)
        elif isinstance(values, list | tuple):
            for value in values:
                self.record_values(name, what, value)

    def _take_whole(self, name: str, value: torch.Tensor) -> None:
        if self.writes and self._current is not None and value.numel():
            wanted = Snapshot(
                name=name, shape=tuple(value.shape), save_shape=False, whole=None, save_whole=True, reductions=[]
            )
            self._camera.take(value, None, wanted, self._current)

    def before_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Read the gradients now, unscaled as they are, and not when the optimizer steps."""
        if self.enabled:
            self._watch.step_ahead(optimizer)

    def begin_unseen_step(self) -> None:
        """Where a loss was computed: begin the step, if no forward pass was seen of it."""
        if self.enabled:
            self._watch.seen_a_loss()

    def fail(self, error: Exception) -> None:
        """Save nothing more; go on counting, as the other processes do."""
        self.writes = False
        self.enabled = self._schedule is not None
        logger.warning("the debugger failed, training goes on without it: %s: %s", type(error).__name__, error)

    def state_dict(self) -> dict[str, int]:
        """Steps by mode, for a checkpoint."""
        return {mode.name: step for mode, step in self.mode_steps.items()}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on counting where a checkpoint was."""
        self.mode_steps = {ModeKeys[name]: step for name, step in state.items()}
        self.step = self.mode_steps[ModeKeys.GLOBAL]

    # A model carries references to its hooks, and is copied and saved with them.

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _place() -> tuple[int, int]:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1
