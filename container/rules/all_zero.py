"""The rule AllZero."""

import numpy as np

from container.rules.built_in import BuiltInRule
from container.rules.definitions import AllZeroParameters
from container.rules.saved_step import SavedStep

_ADVICE = (
    "zero weights get equal updates and pass no gradient on: initialise them at random, or start from pretrained ones "
    "(weights=default); zero gradients come from such weights above, dead ReLUs, or amp=fp16"
)


class AllZero(BuiltInRule[AllZeroParameters]):
    """At least `threshold` per cent of a tensor's values are zero."""

    def judge(self, step: SavedStep) -> None:
        wanted = self.parameters
        collections = wanted.collection_names or (() if wanted.tensor_regex else ("weights", "gradients"))
        names = {*step.members(collections), *step.matching(wanted.tensor_regex or ())}
        for name in sorted(names):
            percent = self._zeros(step, name)
            if percent is None:
                continue
            self.judged += 1
            if percent >= wanted.threshold:
                self.find(step, name, percent, f"{percent:.4g} % of its values are zero", _ADVICE)

    def _zeros(self, step: SavedStep, name: str) -> float | None:
        largest = step.largest(name)
        if largest == 0:
            return 100.0
        values = step.whole(name)
        if values is not None and values.size:
            return 100.0 * (1 - np.count_nonzero(values) / values.size)
        if largest is None or self.parameters.threshold < 100:
            self.note = (
                "tensors that were not saved whole were skipped: below threshold=100 zeros must be counted, and at 100 "
                "abs_max, or min and max, are needed"
            )
            return None
        return 0.0
