"""The losses of a trial, step by step and by evaluation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

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


SURE = 3.0
"""Standard errors by which two means differ by more than chance: a rule compares many times in a job."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The mean of some losses, and how well it is known."""

    mean: float
    count: int
    variance: float
    """The variance of one loss."""

    @classmethod
    def of(cls, losses: Sequence[float]) -> Self:
        """Compute it from one loss or more; of one, the variance is taken as 0."""
        variance = float(np.var(losses, ddof=1)) if len(losses) > 1 else 0.0
        return cls(mean=float(np.mean(losses)), count=len(losses), variance=variance)

    @classmethod
    def pooled(cls, parts: Sequence["Sample"]) -> Self:
        """Join samples between which the mean may have moved."""
        count = sum(part.count for part in parts)
        within = sum((part.count - 1) * part.variance for part in parts) / max(1, count - len(parts))
        return cls(mean=sum(part.count * part.mean for part in parts) / count, count=count, variance=within)

    def divided(self, divisor: float) -> Self:
        """Compute the sample of the losses divided by that."""
        return replace(self, mean=self.mean / divisor, variance=self.variance / divisor**2)

    def scattered_as(self, parts: Sequence["Sample"]) -> Self:
        """Take the variance of several samples in place of its own, which a few losses may have small by chance."""
        return replace(self, variance=self.pooled(parts).variance)

    def error(self, other: "Sample") -> float:
        """Compute the standard error of the difference of the means, from the variance of both together."""
        free = self.count + other.count - 2
        variance = ((self.count - 1) * self.variance + (other.count - 1) * other.variance) / max(1, free)
        return math.sqrt(variance * (1 / self.count + 1 / other.count))

    def is_below(self, other: "Sample", errors: float) -> bool:
        """Whether this mean is lower by more than so many standard errors."""
        return other.mean - self.mean > errors * self.error(other)

    def resolves(self, other: "Sample", share: float, errors: float) -> bool:
        """Whether a difference of that share of this mean is so many standard errors, or more."""
        return errors * self.error(other) <= share * abs(self.mean)


@dataclass(frozen=True, kw_only=True)
class EvaluationLosses:
    """The mean losses of one evaluation, and of training since the previous one."""

    step: SavedStep
    """The evaluation's last step."""
    training: Sample | None
    validation: Sample
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
            training=Sample.of(self._training) if self._training else None,
            validation=Sample.of(self._validation),
            tensor=self._tensor,
        )
        self._training, self._validation = [], []
        return found
