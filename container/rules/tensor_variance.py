"""The rule TensorVariance."""

from container.rules.built_in import BuiltInRule
from container.rules.definitions import TensorVarianceParameters
from container.rules.saved_step import SavedStep

_LARGEST = 10.0


class TensorVariance(BuiltInRule[TensorVarianceParameters]):
    """A tensor's variance is above `max_threshold` or below `min_threshold`.

    SageMaker's rule requires a threshold; without one, 10 is the largest here.
    """

    def judge(self, step: SavedStep) -> None:
        wanted = self.parameters
        low, high = wanted.min_threshold, wanted.max_threshold
        high = _LARGEST if low is None and high is None else high
        collections = wanted.collection_names or (() if wanted.tensor_regex else ("weights",))
        for name in sorted({*step.members(collections), *step.matching(wanted.tensor_regex or ())}):
            variance = step.variance(name)
            if variance is None:
                self.note = "tensors without variance or std among their saved reductions were skipped"
                continue
            self.judged += 1
            if high is not None and variance > high:
                what = f"its variance is {variance:.3g}, above {high:g}"
                self.find(step, name, variance, what, "lower opt-learning-rate, or raise opt-weight-decay")
            elif low is not None and variance < low:
                what = f"its variance is {variance:.3g}, below {low:g}"
                self.find(
                    step,
                    name,
                    variance,
                    what,
                    "lower opt-weight-decay, or start from pretrained weights (weights=default)",
                )
