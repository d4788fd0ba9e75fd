"""The rule PoorWeightInitialization."""

from typing import Any

import numpy as np

from container.rules.built_in import WHERE, BuiltInRule
from container.rules.definitions import PoorWeightInitializationParameters
from container.rules.losses import Sample, loss_of
from container.rules.saved_step import SavedStep

_ADVICE = (
    "start from pretrained weights (weights=default), or initialise the layers at random by their size, as PyTorch "
    "does (nn.init.kaiming_normal_); no layer may be zero or constant"
)

_LOSSES = 10
"""Times `patience`: losses after which the loss must have fallen."""

_SURE = 2.0
"""Standard errors by which a loss that falls must have fallen; it is compared once."""

_FALLEN = 0.005
"""Share of the loss by which it must have fallen too: where batches hardly differ, chance explains next to nothing."""

_SEEN = 0.2
"""Share of the loss: a fall of this much must be twice as many standard errors, or nothing can be said."""


class PoorWeightInitialization(BuiltInRule[PoorWeightInitializationParameters]):
    """The first `steps` saved steps of training show signs of poor initial weights.

    SageMaker's guide names three signs: the variances of the layers' activation inputs differ by more than
    `threshold`; the 5th and 95th percentile of a gradient are closer than `distribution_range`; the loss does not fall.
    Healthy residual networks show the first or second, batches differ, and a sound training may start slowly, so here
    one of these counts only if the loss does not fall in the first 10 times `patience` losses either: the mean of the
    last third is not below that of the first by more than chance explains and half a per cent, and their difference is
    known well enough that a fall would have shown. A gradient that is zero throughout counts by itself: nothing below
    it can learn.
    """

    def __init__(self, base_trial: Any, **parameters: object) -> None:
        super().__init__(base_trial, **parameters)
        self.lacks = f"the first steps hold no gradients and no relu_input; {WHERE}"
        self._steps = 0
        self._losses: list[float] = []
        self._over = False
        self._signs: dict[str, tuple[SavedStep, float, str]] = {}

    def judge(self, step: SavedStep) -> None:
        if not step.trains or not step.names or self._over:
            return
        loss = loss_of(step)
        if loss is not None:
            self._losses.append(loss)
        if self._steps < self.parameters.steps:
            self._steps += 1
            self._gradients(step)
            self._activations(step)
        if len(self._losses) >= _LOSSES * self.parameters.patience:
            self.finish()

    def finish(self) -> None:
        """Judge the signs by the losses so far, once."""
        if self._over:
            return
        self._over = True
        if self._loss_stands():
            for name, (seen, value, what) in self._signs.items():
                self.find(seen, name, value, f"{what}, and the loss does not fall", _ADVICE)

    def _gradients(self, step: SavedStep) -> None:
        for name in step.members(["gradients"]):
            spread = self._spread(step, name)
            if spread is None and step.largest(name) is None:
                continue
            self.judged += 1
            if step.largest(name) == 0:
                self.find(step, name, 0.0, "the gradient is zero throughout in the first steps", _ADVICE)
            elif spread is not None and spread < self.parameters.distribution_range:
                what = f"the gradient's 5th and 95th percentile differ by {spread:.3g}"
                self._signs.setdefault(name, (step, spread, what))

    def _activations(self, step: SavedStep) -> None:
        variances = {
            name: variance
            for name in step.matching(self.parameters.activation_inputs_regex)
            if (variance := step.variance(name)) is not None
        }
        self.judged += len(variances)
        if len(variances) < 2:
            return
        least, most = (choose(variances, key=variances.__getitem__) for choose in (min, max))
        ratio = variances[most] / variances[least] if variances[least] else np.inf
        if ratio > self.parameters.threshold:
            what = f"its variance is {variances[least]:.3g}, and that of {most} {ratio:.3g} times as large"
            self._signs.setdefault(least, (step, float(ratio), what))

    def _spread(self, step: SavedStep, name: str) -> float | None:
        """Distance of the percentiles; with reductions only, its upper bound, the distance of the extremes."""
        values = step.whole(name)
        if values is not None:
            low, high = np.percentile(values, (5, 95))
            return float(high - low)
        least, most = step.reduction(name, "min"), step.reduction(name, "max")
        return None if least is None or most is None else most - least

    def _loss_stands(self) -> bool:
        if len(self._losses) < 2 * self.parameters.patience:
            return False
        third = max(self.parameters.patience, len(self._losses) // 3)
        first, last = Sample.of(self._losses[:third]), Sample.of(self._losses[-third:])
        fallen = last.is_below(first, _SURE) and first.mean - last.mean > _FALLEN * abs(first.mean)
        return not fallen and first.resolves(last, _SEEN, 2 * _SURE)
