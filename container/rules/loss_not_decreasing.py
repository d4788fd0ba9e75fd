"""The rule LossNotDecreasing."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from container.rules.built_in import BuiltInRule
from container.rules.definitions import LossNotDecreasingParameters
from container.rules.saved_step import SavedStep

_ADVICE = (
    "lower opt-learning-rate if the loss rises or jumps; raise it, or unfreeze the network (freeze-epochs=0), if the "
    "loss stands still; look at the labels if neither helps"
)
_LOSSES = 5  # at least in a window, so that its mean is not that of one batch
_WINDOWS = 3
_FALLEN = 0.1
_SURE = 2.0


@dataclass
class _Series:
    """A loss: the window that is being collected, and the means of the earlier ones."""

    first: float
    """The loss of the very first step."""
    first_step: int = 0
    losses: list[float] = field(default_factory=list)
    means: list[float] = field(default_factory=list)
    error: float = 0.0
    """Standard error of the last mean."""


class LossNotDecreasing(BuiltInRule[LossNotDecreasingParameters]):
    """Compares the mean loss of a window of `num_steps` steps, of five values or more, with those of earlier windows.

    Fires if the mean rises by more than `increase_threshold_percent` and more than chance explains, or if for three
    windows none was `diff_percent` below the best before. A loss that has fallen to a tenth of its first value has
    converged, and may stand still.
    """

    def __init__(self, base_trial: Any, **parameters: object) -> None:
        super().__init__(base_trial, **parameters)
        self.lacks = (
            f"it needs losses of two windows of {self.parameters.num_steps} steps, {_LOSSES} values in each; "
            "debug=true saves them, and a shorter train.save_interval of the collection losses more of them"
        )
        self._series: dict[str, _Series] = {}

    def judge(self, step: SavedStep) -> None:
        wanted = self.parameters
        if not (step.trains if wanted.mode is None else wanted.mode in (step.mode, "GLOBAL")):
            return
        collections = [*(wanted.collection_names or ()), *(["losses"] if wanted.use_losses_collection else [])]
        for name in sorted({*step.members(collections), *step.matching(wanted.tensor_regex or ())}):
            loss = step.reduction(name, "mean")
            if loss is not None:
                self._add(step, name, loss)

    def _add(self, step: SavedStep, name: str, loss: float) -> None:
        series = self._series.setdefault(name, _Series(loss))
        series.first_step = series.first_step if series.losses else step.mode_step
        series.losses.append(loss)
        if math.isfinite(loss) and (
            len(series.losses) < _LOSSES or step.mode_step - series.first_step + 1 < self.parameters.num_steps
        ):
            return
        mean = float(np.mean(series.losses))
        error = float(np.std(series.losses) / math.sqrt(len(series.losses)))
        if series.means:
            self.judged += 1
            self._compare(step, name, series, mean, error)
        elif not math.isfinite(mean):
            self.judged += 1
            self.find(step, name, loss, f"the loss is {loss:g}", _ADVICE)
        series.means.append(mean)
        series.error, series.losses = error, []

    def _compare(self, step: SavedStep, name: str, series: _Series, mean: float, error: float) -> None:
        wanted, before, first = self.parameters, series.means[-1], max(series.first, series.means[0])
        rise = mean - before
        allowed = max(wanted.increase_threshold_percent / 100 * abs(before), _SURE * math.hypot(error, series.error))
        if not math.isfinite(mean):
            self.find(step, name, mean, f"the loss is {mean:g}", _ADVICE)
        elif mean <= _FALLEN * first:
            return
        elif rise > allowed:
            what = f"the loss has risen from {before:.4g} to {mean:.4g}, means over {wanted.num_steps} steps or more"
            self.find(step, name, mean, what, _ADVICE)
        elif len(series.means) >= _WINDOWS:
            best = min(series.means[: 1 - _WINDOWS])
            latest = min([*series.means[1 - _WINDOWS :], mean])
            if latest > best - wanted.diff_percent / 100 * abs(best):
                what = (
                    f"the loss has not fallen by {wanted.diff_percent:g} % for {_WINDOWS} windows of "
                    f"{wanted.num_steps} steps or more: it is {mean:.4g}, and was {best:.4g}"
                )
                self.find(step, name, mean, what, _ADVICE)
