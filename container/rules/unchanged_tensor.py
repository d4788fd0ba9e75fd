"""The rule UnchangedTensor."""

from collections import Counter
from typing import Any

import numpy as np

from container.rules.built_in import BuiltInRule
from container.rules.definitions import UnchangedTensorParameters
from container.rules.saved_step import SavedStep

_ADVICE = (
    "it does not learn: freeze-epochs freezes all but the head for that long, a zero gradient comes from dead ReLUs or "
    "zero weights, and updates below the precision of a weight from an opt-learning-rate that is too small or 0"
)


class UnchangedTensor(BuiltInRule[UnchangedTensorParameters]):
    """A tensor stays the same, by numpy.allclose, for `num_steps` saved steps of training.

    For a tensor that was saved as reductions, mean, std, abs_mean and l2_norm must be equal to the last digit.
    """

    def __init__(self, base_trial: Any, **parameters: object) -> None:
        super().__init__(base_trial, **parameters)
        self._since: dict[str, tuple[Any, int]] = {}
        self._seen: Counter[str] = Counter()

    def judge(self, step: SavedStep) -> None:
        if not step.trains:
            return
        wanted = self.parameters
        collections = wanted.collection_names or (() if wanted.tensor_regex else ("weights",))
        for name in sorted({*step.members(collections), *step.matching(wanted.tensor_regex or ())}):
            values = step.whole(name)
            now = step.reductions(name) if values is None else values
            self._seen[name] += 1
            self.judged += self._seen[name] >= wanted.num_steps
            before, steps = self._since.get(name, (None, 0))
            if before is None or not self._same(before, now):
                self._since[name] = (now, 1)
                continue
            steps += 1
            self._since[name] = (before, steps)
            if steps >= wanted.num_steps:
                what = f"it is the same at {steps} saved steps, the last of them step {step.mode_step} of {step.mode}"
                self.find(step, name, float(steps), what, _ADVICE)

    def _same(self, before: Any, now: Any) -> bool:
        if isinstance(before, tuple) or isinstance(now, tuple):
            return type(before) is type(now) and bool(before) and before == now
        wanted = self.parameters
        return before.shape == now.shape and bool(
            np.allclose(before, now, rtol=wanted.rtol, atol=wanted.atol, equal_nan=wanted.equal_nan)
        )
