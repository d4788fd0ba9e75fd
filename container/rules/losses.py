"""The losses of a trial, step by step and by evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from container.rules.saved_step import SavedStep

LACKS_BOTH = (
    "it needs losses of the modes TRAIN and EVAL, and at least two evaluations; debug=true saves them, and a hook of "
    "your own does if the script calls set_mode(modes.EVAL) before each evaluation"
)


def loss_names(step: SavedStep, patterns: Sequence[str] | None) -> list[str]:
    """Return the names of a step's losses: those that match the patterns, or else the collection losses."""
    return step.matching(patterns) if patterns else step.members(["losses"])


def loss_of(step: SavedStep, patterns: Sequence[str] | None = None) -> float | None:
    """Return the mean of a step's losses; None if it saved none."""
    found = [value for name in loss_names(step, patterns) if (value := step.reduction(name, "mean")) is not None]
    return float(np.mean(found)) if found else None


@dataclass(frozen=True, kw_only=True)
class EvaluationLosses:
    """The mean losses of one evaluation, and of training since the previous one."""

    step: SavedStep
    """The evaluation's last step."""
    training: float | None
    validation: float
    tensor: str


@dataclass
class Evaluations:
    """Groups consecutive steps in the mode EVAL into evaluations."""

    patterns: Sequence[str] | None = None
    _training: list[float] = field(default_factory=list)
    _validation: list[float] = field(default_factory=list)
    _last: SavedStep | None = None
    _tensor: str = ""

    def add(self, step: SavedStep) -> EvaluationLosses | None:
        """Add a step; return the evaluation that ended before it, if any."""
        loss = loss_of(step, self.patterns)
        if loss is None:
            return None
        if step.mode == "EVAL":
            self._validation.append(loss)
            self._last, self._tensor = step, loss_names(step, self.patterns)[0]
            return None
        ended = self.end()
        if step.trains:
            self._training.append(loss)
        return ended

    def end(self) -> EvaluationLosses | None:
        """End the running evaluation, if any, and return it."""
        if not self._validation or self._last is None:
            return None
        found = EvaluationLosses(
            step=self._last,
            training=float(np.mean(self._training)) if self._training else None,
            validation=float(np.mean(self._validation)),
            tensor=self._tensor,
        )
        self._training, self._validation = [], []
        return found
