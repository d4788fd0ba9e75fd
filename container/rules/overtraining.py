"""The rule Overtraining."""

import math
from typing import Any

from container.rules.built_in import BuiltInRule
from container.rules.definitions import OvertrainingParameters
from container.rules.losses import LACKS_BOTH, EvaluationLosses, Evaluations
from container.rules.saved_step import SavedStep

_ADVICE = "train fewer epochs, or let early-stopping-patience end the job; a lower lr-sched-gamma may still help"


class Overtraining(BuiltInRule[OvertrainingParameters]):
    """The training or the validation loss has not improved by `delta` for as many evaluations as its patience.

    Patience counts evaluations, since single batches differ by chance; the training loss is the mean of those saved
    since the previous evaluation.
    """

    def __init__(self, base_trial: Any, **parameters: object) -> None:
        super().__init__(base_trial, **parameters)
        self.lacks = LACKS_BOTH
        self._evaluations = Evaluations()
        self._best = {"training": math.inf, "validation": math.inf}
        self._waited = {"training": 0, "validation": 0}

    def judge(self, step: SavedStep) -> None:
        self._check(self._evaluations.add(step))

    def finish(self) -> None:
        self._check(self._evaluations.end())

    def _check(self, evaluation: EvaluationLosses | None) -> None:
        if evaluation is None or evaluation.training is None:
            return
        patience = {"training": self.parameters.patience_train, "validation": self.parameters.patience_validation}
        for kind, loss in (
            ("training", evaluation.training.mean),
            ("validation", evaluation.validation.mean),
        ):
            self.judged += self._best[kind] < math.inf
            if loss < self._best[kind] - self.parameters.delta:
                self._best[kind], self._waited[kind] = loss, 0
                continue
            self._waited[kind] += 1
            if self._waited[kind] >= patience[kind]:
                what = (
                    f"the {kind} loss has not improved by {self.parameters.delta:g} for {self._waited[kind]} "
                    f"evaluations: it is {loss:.4g}, and was {self._best[kind]:.4g} at best"
                )
                self.find(evaluation.step, evaluation.tensor, loss, what, _ADVICE, key=kind)
