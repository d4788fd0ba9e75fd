"""Collections: tensors by the names that they are saved under, each with its own schedule and reductions."""

import re
from collections.abc import Iterable
from typing import Any

from torch import nn

from container.train.debugger.reduction_config import ReductionConfig
from container.train.debugger.save_config import SaveConfig

# Always saved whole, whatever their reductions, as smdebug does.
SCALARS = ("losses", "metrics", "sm_metrics")
DEFAULTS = {
    "all": (),
    "default": (),
    "weights": ("^(?!gradient|optimizer).*weight",),
    "biases": ("^(?!gradient|optimizer).*bias",),
    "gradients": ("^gradient",),
    "losses": ("[Ll]oss_(?!input).*output",),
    "optimizer_variables": ("^optimizer/",),
    "sm_metrics": (),
}
"""smdebug's collections for PyTorch, and two that it names for other frameworks only: the optimizer's state, and what
`save_scalar` was given with `sm_metric`."""


class CollectionKeys:
    """The names of the default collections."""

    ALL = "all"
    DEFAULT = "default"
    WEIGHTS = "weights"
    BIASES = "biases"
    GRADIENTS = "gradients"
    LOSSES = "losses"
    OPTIMIZER_VARIABLES = "optimizer_variables"
    SM_METRICS = "sm_metrics"


class Collection:
    """The tensors whose names match one of `include_regex` anywhere."""

    def __init__(
        self,
        name: str,
        include_regex: Iterable[str] = (),
        tensor_names: Iterable[str] = (),
        reduction_config: ReductionConfig | None = None,
        save_config: SaveConfig | None = None,
        save_histogram: bool = True,
    ) -> None:
        self.name = name
        self.include_regex = list(include_regex)
        self.tensor_names = set(tensor_names)
        self.reduction_config = reduction_config
        self.save_config = save_config
        self.save_histogram = save_histogram
        self.modules: dict[nn.Module, tuple[bool, bool]] = {}

    def include(self, regex: str | list[str]) -> None:
        """Add one or several regular expressions."""
        self.include_regex += [regex] if isinstance(regex, str) else regex

    def add_module_tensors(self, module: nn.Module, inputs: bool = False, outputs: bool = True) -> None:
        """Add a module's inputs and outputs."""
        self.modules[module] = (inputs, outputs)

    def add_tensor_name(self, name: str) -> None:
        self.tensor_names.add(name)

    def matches(self, name: str) -> bool:
        """Whether a tensor of that name belongs to the collection."""
        return name in self.tensor_names or any(re.search(regex, name) for regex in self.include_regex)

    def to_json_dict(self) -> dict[str, Any]:
        """Return the collection in the form of smdebug's collection file."""
        return {
            "name": self.name,
            "include_regex": self.include_regex,
            "tensor_names": sorted(self.tensor_names),
            "reduction_config": self.reduction_config.to_json_dict() if self.reduction_config else None,
            "save_config": self.save_config.to_json_dict() if self.save_config else None,
            "save_histogram": self.save_histogram,
        }


class CollectionManager:
    """All collections of a hook."""

    def __init__(self) -> None:
        self.collections = {name: Collection(name, regexes) for name, regexes in DEFAULTS.items()}

    def get(self, name: str) -> Collection:
        """Return the collection of that name, new if there is none."""
        return self.collections.setdefault(name, Collection(name))

    def add(self, collection: Collection | str) -> None:
        if isinstance(collection, str):
            self.get(collection)
        else:
            self.collections[collection.name] = collection

    def to_json_dict(self, workers: int) -> dict[str, Any]:
        return {
            "collections": {name: collection.to_json_dict() for name, collection in self.collections.items()},
            "_meta": {"num_workers": workers},
        }
