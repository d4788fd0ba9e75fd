"""The rule Overfit."""

from typing import Any

from container.rules.built_in import BuiltInRule
from container.rules.definitions import OverfitParameters
from container.rules.losses import LACKS_BOTH, EvaluationLosses, Evaluations
from container.rules.saved_step import SavedStep

_ADVICE = (
    "use augmentation=default, more pictures, a larger opt-weight-decay or label-smoothing, a smaller model-type, or "
    "fewer epochs (early-stopping-patience)"
)


class Overfit(BuiltInRule[OverfitParameters]):
    """The validation loss exceeds the training loss by more than the threshold, `patience` evaluations in a row.

    The ratio is (validation loss - training loss) / training loss.

    The losses are means: over the evaluation, and over the training losses saved since the previous one. A later
    evaluation below the ratio withdraws the finding: a network may do badly in validation at first.
    """

    def __init__(self, base_trial: Any, **parameters: object) -> None:
        super().__init__(base_trial, **parameters)
        self.lacks = LACKS_BOTH
        self._evaluations = Evaluations(self.parameters.tensor_regex)
        self._above = 0

    def judge(self, step: SavedStep) -> None:
        if step.number >= self.parameters.start_step:
            self._compare(self._evaluations.add(step))

    def finish(self) -> None:
        self._compare(self._evaluations.end())

    def _compare(self, evaluation: EvaluationLosses | None) -> None:
        if evaluation is None or not evaluation.training:
            return
        self.judged += 1
        ratio = (evaluation.validation - evaluation.training) / abs(evaluation.training)
        if not ratio > self.parameters.ratio_threshold:
            self._above = 0
            self.findings.clear()
            return
        self._above += 1
        if self._above >= self.parameters.patience:
            what = (
                f"the mean validation loss is {evaluation.validation:.4g} and the mean training loss "
                f"{evaluation.training:.4g}: {100 * ratio:.0f} % more"
            )
            self.find(evaluation.step, evaluation.tensor, ratio, what, _ADVICE)
