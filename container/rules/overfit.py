"""The rule Overfit."""

from typing import Any

import numpy as np

from container.rules.built_in import BuiltInRule
from container.rules.definitions import OverfitParameters
from container.rules.losses import LACKS_BOTH, SURE, EvaluationLosses, Evaluations
from container.rules.saved_step import SavedStep

_ADVICE = (
    "use augmentation=default, more pictures, a larger opt-weight-decay or label-smoothing, a smaller model-type, or "
    "fewer epochs (early-stopping-patience)"
)

_SUM = 4.0
"""Times the training loss, the first one or the latest, from which on a validation loss may be a sum."""


class Overfit(BuiltInRule[OverfitParameters]):
    """The validation loss exceeds the training loss by more than the threshold, `patience` evaluations in a row.

    The ratio is (validation loss - training loss) / training loss.

    The losses are means: over the evaluation, and over the training losses saved since the previous one; they must
    differ by more than chance explains. A later evaluation that is not above the ratio withdraws the finding: a network
    may do badly in validation at first.

    A validation loss that is many times the training loss in the first evaluation, before a network can have learnt its
    pictures by heart, and in most of them so far, is a sum over the batch. It is divided by the number of labels if
    they are saved, else it is not judged.
    """

    def __init__(self, base_trial: Any, **parameters: object) -> None:
        super().__init__(base_trial, **parameters)
        self.lacks = LACKS_BOTH
        self._evaluations = Evaluations(self.parameters.tensor_regex)
        self._above = 0
        self._first: float | None = None
        self._is_sum = True
        self._times: list[float] = []
        """Validation loss by training loss."""
        self._labels: list[int] = []

    def judge(self, step: SavedStep) -> None:
        if step.number < self.parameters.start_step:
            return
        self._compare(self._evaluations.add(step))
        if step.mode == "EVAL" and (labels := step.members(["labels"])):
            values = step.whole(labels[0])
            self._labels += [] if values is None else [values.size]

    def finish(self) -> None:
        self._compare(self._evaluations.end())

    def _compare(self, evaluation: EvaluationLosses | None) -> None:
        if evaluation is None or not evaluation.training:
            return
        validation = self._as_mean(evaluation)
        if validation is None:
            return
        self.judged += 1
        ratio = (validation - evaluation.training) / abs(evaluation.training)
        chance = SURE * evaluation.error * validation / evaluation.validation
        if not (ratio > self.parameters.ratio_threshold and validation - evaluation.training > chance):
            self._above = 0
            self.findings.clear()
            return
        self._above += 1
        if self._above >= self.parameters.patience:
            what = (
                f"the mean validation loss is {validation:.4g} and the mean training loss "
                f"{evaluation.training:.4g}: {100 * ratio:.0f} % more"
                + (", once the sum over a batch is divided by its labels" if self._is_sum else "")
            )
            self.find(evaluation.step, evaluation.tensor, ratio, what, _ADVICE)

    def _as_mean(self, evaluation: EvaluationLosses) -> float | None:
        """Return the validation loss as a mean over pictures; None if it is a sum over an unknown number of them."""
        labels, self._labels = self._labels, []
        if self._first is None:
            self._first = evaluation.training
        first = self._first or 0.0
        least = min(first, evaluation.training or 0.0)
        self._times.append(evaluation.validation / least if least > 0 else 0.0)
        self._is_sum = min(self._times[0], float(np.median(self._times))) > _SUM
        if not self._is_sum:
            self.note = ""
            return evaluation.validation
        times = evaluation.validation / first
        self.note = (
            f"the validation loss is {times:.3g} times the first training loss: it is a sum over the batch, and the "
            "training loss a mean (use the same reduction for both)"
        )
        count = sum(labels) / len(labels) if labels else 0.0
        if count <= 1:
            self.note += "; save the labels, and it is divided by their number"
            return None
        self.note += f"; divided by the batch's {count:.4g} labels"
        return evaluation.validation / count
