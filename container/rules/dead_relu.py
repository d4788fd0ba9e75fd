"""The rule DeadRelu."""

import numpy as np

from container.rules.built_in import BuiltInRule
from container.rules.definitions import DeadReluParameters
from container.rules.saved_step import SavedStep

_ADVICE = (
    "lower opt-learning-rate, since too large steps push ReLUs below zero for good; start from pretrained "
    "weights (weights=default), or put batch normalisation before the ReLU"
)


class DeadRelu(BuiltInRule[DeadReluParameters]):
    """More than `threshold_layer` per cent of a layer's ReLUs are active for less than `threshold_inactivity` per cent.

    A ReLU is a channel of an image, or a unit of a vector; it is active where its output is above zero. In outputs that
    were saved as reductions, only a layer that is dead as a whole can be found.
    """

    def judge(self, step: SavedStep) -> None:
        wanted = self.parameters
        for name in step.matching(wanted.tensor_regex):
            values = step.whole(name)
            if values is not None and values.ndim > 1:
                axes = tuple(axis for axis in range(values.ndim) if axis != 1)
                active = 100.0 * np.mean(values > 0, axis=axes)
                dead = 100.0 * float(np.mean(active < wanted.threshold_inactivity))
            else:
                highest = step.reduction(name, "max")
                if highest is None:
                    self.note = "outputs without max among their saved reductions were skipped"
                    continue
                dead = 0.0 if highest > 0 else 100.0
                self.note = (
                    "reductions only show layers that are dead as a whole; "
                    "to count single ReLUs, save relu_output whole"
                )
            self.judged += 1
            if dead > wanted.threshold_layer:
                self.find(step, name, dead, f"{dead:.4g} % of its ReLUs are dead", _ADVICE)
