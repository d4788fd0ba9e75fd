"""The rule Overfit."""

from collections import deque
from typing import Any

import numpy as np

from container.rules.built_in import BuiltInRule
from container.rules.definitions import OverfitParameters
from container.rules.losses import LACKS_BOTH, SURE, EvaluationLosses, Evaluations, Sample
from container.rules.saved_step import SavedStep

_ADVICE = (
    "use augmentation=default, more pictures, a larger opt-weight-decay or label-smoothing, a smaller model-type, or "
    "fewer epochs (early-stopping-patience)"
)

_SUM = 4.0
"""Times the training loss, the first one or the latest, from which on a validation loss may be a sum."""
_RECENT = 4
"""Evaluations whose losses tell how much a loss scatters."""


class Overfit(BuiltInRule[OverfitParameters]):
    """The validation loss exceeds the training loss by more than the threshold, `patience` evaluations in a row.

    The ratio is (validation loss - training loss) / training loss.

    The losses are means: over the evaluation, and over the training losses saved since the previous one; they must
    differ by more than chance explains, as the losses of the last four evaluations scatter. A later evaluation that is
    not above the ratio withdraws the finding: a network may do badly in validation at first.

    A validation loss that is many times the training loss in the first evaluation, before a network can have learnt its
    pictures by heart, and in most of them so far, is a sum over the batch. It is divided by the number of labels if
    they are saved, else it is not judged.
    """

    def __init__(self, base_trial: Any, **parameters: object) -> None:
        super().__init__(base_trial, **parameters)
        self.lacks = LACKS_BOTH
        self._evaluations = Evaluations(self.parameters.tensor_regex)
        self._recent: deque[tuple[Sample, Sample]] = deque(maxlen=_RECENT)
        """Training and validation."""
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
        if evaluation is None or evaluation.training is None or not evaluation.training.mean:
            return
        training = evaluation.training
        validation = self._as_mean(evaluation.validation, training)
        if validation is None:
            return
        self.judged += 1
        ratio = (validation.mean - training.mean) / abs(training.mean)
        self._recent.append((training, validation))
        trainings, validations = zip(*self._recent, strict=True)
        sure = training.scattered_as(trainings).is_below(validation.scattered_as(validations), SURE)
        if not (ratio > self.parameters.ratio_threshold and sure):
            self._above = 0
            self.findings.clear()
            return
        self._above += 1
        if self._above >= self.parameters.patience:
            what = (
                f"the mean validation loss is {validation.mean:.4g} and the mean training loss "
                f"{training.mean:.4g}: {100 * ratio:.0f} % more"
                + (", once the sum over a batch is divided by its labels" if self._is_sum else "")
            )
            self.find(evaluation.step, evaluation.tensor, ratio, what, _ADVICE)

    def _as_mean(self, validation: Sample, training: Sample) -> Sample | None:
        """Return the validation losses as means over pictures; None if they are sums over an unknown number of them."""
        labels, self._labels = self._labels, []
        if self._first is None:
            self._first = training.mean
        least = min(self._first, training.mean)
        self._times.append(validation.mean / least if least > 0 else 0.0)
        self._is_sum = min(self._times[0], float(np.median(self._times))) > _SUM
        if not self._is_sum:
            self.note = ""
            return validation
        times = validation.mean / self._first
        self.note = (
            f"the validation loss is {times:.3g} times the first training loss: it is a sum over the batch, and the "
            "training loss a mean (use the same reduction for both)"
        )
        count = sum(labels) / len(labels) if labels else 0.0
        if count <= 1:
            self.note += "; save the labels, and it is divided by their number"
            return None
        self.note += f"; divided by the batch's {count:.4g} labels"
        return validation.divided(count)
