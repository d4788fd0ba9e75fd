"""What a trial holds of one step: whole tensors where they were saved, reductions otherwise."""

import math
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from smdebug.exceptions import TensorUnavailableForStep

Values = npt.NDArray[Any]

# What smdebug's PyTorch hook has in its collections; the file of a trial may leave it out.
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
        """Whether weights may change in it: the modes TRAIN, and GLOBAL of scripts that set none."""
        return self.mode in ("TRAIN", "GLOBAL")

    @cached_property
    def names(self) -> list[str]:
        """Of all tensors that the step saved."""
        return [str(name) for name in self._trial.tensor_names(step=self.number)]

    def matching(self, patterns: Sequence[str]) -> list[str]:
        """The tensors whose names match a regular expression anywhere."""
        return [name for name in self.names if any(re.search(pattern, name) for pattern in patterns)]

    def members(self, collections: Sequence[str]) -> list[str]:
        """The tensors of the collections; an optimizer's state is in no other than its own."""
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
        """The tensor's values; None where they were not saved whole."""
        try:
            return np.asarray(self._trial.tensor(name).value(self.number))
        except TensorUnavailableForStep:
            return None

    def reduction(self, name: str, reduction: str, *, absolute: bool = False) -> float | None:
        """One of smdebug's reductions, saved or of the whole tensor; None where neither is there."""
        try:
            return float(self._trial.tensor(name).reduction_value(self.number, reduction, abs=absolute))
        except TensorUnavailableForStep:
            return None

    def reductions(self, name: str) -> tuple[float | None, ...]:
        """Those that tell a tensor from another: none of a tensor that was saved as other reductions only."""
        found = [self.reduction(name, kind, absolute=absolute) for kind, absolute in _TELLING]
        return tuple(found) if any(value is not None for value in found) else ()

    def largest(self, name: str) -> float | None:
        """The largest absolute value."""
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
        """Of the tensor's values."""
        saved = self.reduction(name, "variance")
        deviation = self.reduction(name, "std") if saved is None else None
        return deviation**2 if deviation is not None else saved
