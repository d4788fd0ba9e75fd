"""The rule VanishingGradient."""

from container.rules.built_in import BuiltInRule
from container.rules.definitions import VanishingGradientParameters
from container.rules.saved_step import SavedStep

_ADVICE = (
    "no layer below learns: start from pretrained weights (weights=default), look for dead ReLUs or zero weights above "
    "it, and if amp=fp16 loses small gradients use amp=bf16 or amp=off"
)


class VanishingGradient(BuiltInRule[VanishingGradientParameters]):
    """The mean of a gradient's absolute values is below `threshold`."""

    def judge(self, step: SavedStep) -> None:
        for name in step.members(["gradients"]):
            mean = step.reduction(name, "mean", absolute=True)
            if mean is None and step.largest(name) == 0:
                mean = 0.0
            if mean is None:
                self.note = "gradients whose abs_mean is not among the saved reductions were skipped"
                continue
            self.judged += 1
            if mean < self.parameters.threshold:
                what = f"the mean of the gradient's absolute values is {mean:.3g}, below {self.parameters.threshold:g}"
                self.find(step, name, mean, what, _ADVICE)
