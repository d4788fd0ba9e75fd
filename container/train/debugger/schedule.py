"""The schedule of a hook: the collections that each step saves, and the form in which a tensor is saved."""

from collections.abc import Iterable

from container.contract.errors import DebuggerError
from container.train.debugger.collection import DEFAULTS, SCALARS, Collection, CollectionManager
from container.train.debugger.modes import WITHOUT_GRADIENTS, ModeKeys
from container.train.debugger.reduction_config import ReductionConfig
from container.train.debugger.save_config import SaveConfig
from container.train.debugger.snapshot import Snapshot

_OF_TRAINING = ("gradients", "optimizer_variables")


class Schedule:
    """The collections that are saved, each with a schedule and reductions; fixed at the first step."""

    def __init__(
        self,
        manager: CollectionManager,
        included: Iterable[str],
        save_config: SaveConfig,
        reduction_config: ReductionConfig | None,
    ) -> None:
        names = set(included)
        default = reduction_config or ReductionConfig(save_raw_tensor=True)
        self.saved: list[Collection] = []
        self._of: dict[str, list[Collection]] = {}
        for name, collection in manager.collections.items():
            for module, (inputs, outputs) in collection.modules.items():
                module_name = str(getattr(module, "_module_name", type(module).__name__))
                collection.include_regex += [f"^{module_name}_input_"] * inputs + [f"^{module_name}_output_"] * outputs
            if name not in DEFAULTS and not collection.include_regex and not collection.tensor_names:
                raise DebuggerError(f"the collection {name} has no tensors: give it an include_regex")
            if collection.save_config is None:
                collection.save_config = save_config
            else:
                collection.save_config.complete(save_config)
            if name in SCALARS:
                collection.reduction_config = ReductionConfig(save_raw_tensor=True)
                collection.save_histogram = False
            elif collection.reduction_config is None:
                collection.reduction_config = default
            if "all" in names or name in names:
                self.saved.append(collection)

    def at(self, mode: ModeKeys, step: int) -> frozenset[str]:
        """Return the names of the collections that this step saves."""
        return frozenset(
            collection.name
            for collection in self.saved
            if collection.save_config is not None
            and collection.save_config.should_save_step(mode, step)
            and not (mode in WITHOUT_GRADIENTS and collection.name in _OF_TRAINING)
        )

    def wanted(self, name: str, saving: frozenset[str], shape: tuple[int, ...]) -> Snapshot | None:
        """Return the empty snapshot of a tensor, saying what to save of it; None if nothing."""
        if name not in self._of:
            self._of[name] = [collection for collection in self.saved if collection.matches(name)]
            for collection in self._of[name]:
                collection.add_tensor_name(name)
        found = [collection for collection in self._of[name] if collection.name in saving]
        if not found or 0 in shape:
            return None
        configs = [collection.reduction_config for collection in found if collection.reduction_config is not None]
        reductions = [
            one
            for collection in found
            if collection.name not in SCALARS and collection.reduction_config is not None
            for one in collection.reduction_config.names()
        ]
        return Snapshot(
            name=name,
            shape=shape,
            save_shape=any(config.save_shape for config in configs),
            whole=None,
            save_whole=any(config.save_raw_tensor for config in configs),
            reductions=list(dict.fromkeys(reductions)),
            histogram=any(collection.save_histogram for collection in found),
        )

    def may_save(self, name: str, saving: frozenset[str]) -> bool:
        """Whether a tensor of that name is in a collection that is saved."""
        return any(collection.name in saving and collection.matches(name) for collection in self.saved)
