"""The rule LossNotDecreasing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from container.rules.built_in import BuiltInRule
from container.rules.definitions import LossNotDecreasingParameters
from container.rules.losses import SURE, Sample
from container.rules.saved_step import SavedStep

_ADVICE = (
    "lower opt-learning-rate if the loss rises or jumps; raise it, or unfreeze the network (freeze-epochs=0), if the "
    "loss stands still; look at the labels if neither helps"
)
_LOSSES = 5  # at least in a window, so that its mean is not that of one batch
_WINDOWS = 3
_FALLEN = 0.1
_LOST = 2.0  # times the first loss; a network that has learned nothing is not so far above it
_SEEN = 0.03  # share of the loss: a fall of this much must be visible before its absence means anything


@dataclass
class _Series:
    """A loss: the window that is being collected, and the earlier ones."""

    first: float
    """The loss of the very first step."""
    first_step: int = 0
    losses: list[float] = field(default_factory=list)
    windows: list[Sample] = field(default_factory=list)


class LossNotDecreasing(BuiltInRule[LossNotDecreasingParameters]):
    """Compares the mean loss of a window of `num_steps` steps, of five values or more, with those of earlier windows.

    Fires if the mean rises by more than `increase_threshold_percent` and more than chance explains; if it stays above
    twice the first loss for three windows; or if the mean of the last three windows or more is not `diff_percent`, nor
    a standard error, below that of as many before. The noisier the losses, the more windows are taken together, until a
    fall of three per cent would have shown. A loss that has fallen to a tenth of its first value has converged, and may
    stand still.
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
        if not math.isfinite(loss):
            self.judged += 1
            self.find(step, name, loss, f"the loss is {loss:g}", _ADVICE)
            series.losses = []
            return
        window = Sample.of(series.losses)
        if series.windows:
            self.judged += 1
            self._compare(step, name, series, window)
        series.windows.append(window)
        series.losses = []

    def _compare(self, step: SavedStep, name: str, series: _Series, window: Sample) -> None:
        wanted, before, first = self.parameters, series.windows[-1], max(series.first, series.windows[0].mean)
        if window.mean <= _FALLEN * first:
            return
        # A few losses tell their variance badly.
        latest = [*series.windows[1 - _WINDOWS :], window]
        noise = Sample.pooled(latest)
        error = math.sqrt(noise.variance * (1 / before.count + 1 / window.count))
        rise = window.mean - before.mean
        if rise > max(wanted.increase_threshold_percent / 100 * abs(before.mean), SURE * error):
            what = (
                f"the loss has risen from {before.mean:.4g} to {window.mean:.4g}, means over {wanted.num_steps} steps "
                "or more"
            )
            self.find(step, name, window.mean, what, _ADVICE)
        elif len(latest) == _WINDOWS and min(each.mean for each in latest) > _LOST * abs(series.first):
            what = f"the loss is {window.mean:.4g}, and was {series.first:.4g} in the first step"
            self.find(step, name, window.mean, what, _ADVICE)
        elif found := _standing([*series.windows, window], wanted.diff_percent / 100):
            earlier, now, count = found
            what = (
                f"the loss has not fallen by {wanted.diff_percent:g} % for {count} windows of {wanted.num_steps} steps "
                f"or more: it is {now.mean:.4g}, and was {earlier.mean:.4g}"
            )
            self.find(step, name, now.mean, what, _ADVICE)


def _standing(windows: Sequence[Sample], fall: float) -> tuple[Sample, Sample, int] | None:
    """Compare the last windows with as many before, the fewest that show a fall if there is one.

    Returns:
        The earlier and the later mean, and how many windows were compared; None if the loss falls, or too few are there
        to say.
    """
    for count in range(_WINDOWS, len(windows) // 2 + 1):
        earlier, latest = Sample.pooled(windows[-2 * count : -count]), Sample.pooled(windows[-count:])
        if earlier.resolves(latest, _SEEN, SURE):
            stands = latest.mean > earlier.mean - max(fall * abs(earlier.mean), earlier.error(latest))
            return (earlier, latest, count) if stands else None
    return None
