"""The rule ExplodingTensor."""

import math

import numpy as np

from container.rules.built_in import BuiltInRule
from container.rules.definitions import ExplodingTensorParameters
from container.rules.saved_step import SavedStep

_ADVICE = (
    "lower opt-learning-rate, and if amp=fp16 overflows use amp=bf16 or amp=off; look at the first tensor and step "
    "that are named, the others follow from it"
)


class ExplodingTensor(BuiltInRule[ExplodingTensorParameters]):
    """A tensor holds NaN, or infinity unless `only_nan`."""

    def judge(self, step: SavedStep) -> None:
        wanted = self.parameters
        names = step.names
        if wanted.collection_names or wanted.tensor_regex:
            some = {*step.members(wanted.collection_names or ()), *step.matching(wanted.tensor_regex or ())}
            names = [name for name in names if name in some]
        for name in names:
            worst = self._worst(step, name)
            if worst is None:
                continue
            self.judged += 1
            if math.isnan(worst) or (math.isinf(worst) and not wanted.only_nan):
                self.find(step, name, worst, f"the tensor holds {worst:g}", _ADVICE)

    def _worst(self, step: SavedStep, name: str) -> float | None:
        values = step.whole(name)
        if values is not None:
            if values.dtype.kind not in "fc" or np.isfinite(values).all():
                return 0.0
            return math.nan if np.isnan(values).any() else math.inf
        # Other reductions may not be finite for finite tensors: the deviation of one value, the norm of large ones.
        largest = step.largest(name)
        if largest is None:
            self.note = "tensors without abs_max, or min and max, among their saved reductions were skipped"
        return largest
