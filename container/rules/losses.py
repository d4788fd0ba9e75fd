"""The losses of a trial, step by step and by evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from container.rules.saved_step import SavedStep

LACKS_BOTH = (
    "it takes losses of the modes TRAIN and EVAL, of two evaluations at least; debug=true saves them, a hook of your "
    "own where the script calls set_mode(modes.EVAL) before each evaluation"
)


def loss_names(step: SavedStep, patterns: Sequence[str] | None) -> list[str]:
    """The losses of a step: the collection losses, or what matches."""
    return step.matching(patterns) if patterns else step.members(["losses"])


def loss_of(step: SavedStep, patterns: Sequence[str] | None = None) -> float | None:
    """The mean of all losses of a step; None if it saved none."""
    found = [value for name in loss_names(step, patterns) if (value := step.reduction(name, "mean")) is not None]
    return float(np.mean(found)) if found else None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The mean losses of one evaluation, and of the training since the one before."""

    step: SavedStep
    """Its last."""
    training: float | None
    validation: float
    tensor: str


@dataclass
class Evaluations:
    """Puts the losses of consecutive steps in the mode EVAL together, for batches of one evaluation are no sequence."""

    patterns: Sequence[str] | None = None
    _training: list[float] = field(default_factory=list)
    _validation: list[float] = field(default_factory=list)
    _last: SavedStep | None = None
    _tensor: str = ""

    def add(self, step: SavedStep) -> Evaluation | None:
        """Take in a step; returns the evaluation that it shows to have ended."""
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

    def end(self) -> Evaluation | None:
        """The evaluation that was going on, if any."""
        if not self._validation or self._last is None:
            return None
        found = Evaluation(
            step=self._last,
            training=float(np.mean(self._training)) if self._training else None,
            validation=float(np.mean(self._validation)),
            tensor=self._tensor,
        )
        self._training, self._validation = [], []
        return found
