"""One step of a trial: whole tensors if they were saved, reductions otherwise."""

import math
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from smdebug.exceptions import TensorUnavailableForStep

Values = npt.NDArray[Any]

# The collections of smdebug's PyTorch hook; a trial's file may omit them.
_PATTERNS = {"weights": "^(?!gradient).*weight", "biases": "^(?!gradient).*bias", "gradients": "^gradient", "all": ""}
_OPTIMIZER = "optimizer_variables"
_TELLING = (("mean", False), ("std", False), ("mean", True), ("l2", False))


class SavedStep:
    """A step of the trial; `number` counts the steps of all modes together, `mode_step` those of its mode."""

    def __init__(self, trial: Any, number: int) -> None:
        self.number = number
        mode, mode_step = trial.mode_modestep(number)
        self.mode = str(mode.name)
        self.mode_step = int(mode_step)
        self._trial = trial

    @property
    def trains(self) -> bool:
        """Whether weights may change in this step: the mode is TRAIN, or GLOBAL, as in scripts that set none."""
        return self.mode in ("TRAIN", "GLOBAL")

    @cached_property
    def names(self) -> list[str]:
        """Names of all tensors that the step saved."""
        return [str(name) for name in self._trial.tensor_names(step=self.number)]

    def matching(self, patterns: Sequence[str]) -> list[str]:
        """Return the names that match one of the regular expressions anywhere."""
        return [name for name in self.names if any(re.search(pattern, name) for pattern in patterns)]

    def members(self, collections: Sequence[str]) -> list[str]:
        """Return the names of the collections' tensors; an optimizer's state is in no collection but its own."""
        return [name for name in self.names if any(self._holds(collection, name) for collection in collections)]

    def _holds(self, collection: str, name: str) -> bool:
        known = self._trial.collections().get(collection)
        patterns = list(known.include_regex) if known else []
        if collection in _PATTERNS:
            patterns.append(_PATTERNS[collection])
        if name.startswith("optimizer/") and collection not in (_OPTIMIZER, "all"):
            return False
        listed = known is not None and name in known.tensor_names
        return listed or any(re.search(pattern, name) for pattern in patterns)

    def whole(self, name: str) -> Values | None:
        """Return the tensor's values; None if they were not saved whole."""
        try:
            return np.asarray(self._trial.tensor(name).value(self.number))
        except TensorUnavailableForStep:
            return None

    def reduction(self, name: str, reduction: str, *, absolute: bool = False) -> float | None:
        """Return one of smdebug's reductions, as saved or computed from the whole tensor; None if neither is there."""
        try:
            return float(self._trial.tensor(name).reduction_value(self.number, reduction, abs=absolute))
        except TensorUnavailableForStep:
            return None

    def reductions(self, name: str) -> tuple[float | None, ...]:
        """Return the reductions that tell tensors apart; empty if only others were saved."""
        found = [self.reduction(name, kind, absolute=absolute) for kind, absolute in _TELLING]
        return tuple(found) if any(value is not None for value in found) else ()

    def largest(self, name: str) -> float | None:
        """Return the largest absolute value; None if it cannot be told."""
        found = self.reduction(name, "max", absolute=True)
        if found is not None:
            return found
        low, high = self.reduction(name, "min"), self.reduction(name, "max")
        if low is not None and high is not None:
            return abs(low) if math.isnan(low) else max(abs(low), abs(high))
        for reduction, absolute in (("mean", True), ("l2", False), ("l1", False)):
            if self.reduction(name, reduction, absolute=absolute) == 0:
                return 0.0
        return None

    def variance(self, name: str) -> float | None:
        """Return the variance of the tensor's values; None if it cannot be told."""
        saved = self.reduction(name, "variance")
        deviation = self.reduction(name, "std") if saved is None else None
        return deviation**2 if deviation is not None else saved
