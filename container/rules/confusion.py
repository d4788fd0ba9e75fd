"""The rule Confusion."""

import math
from typing import Any

import numpy as np

from container.rules.built_in import WHERE, BuiltInRule
from container.rules.definitions import ConfusionParameters
from container.rules.labelled import Labelled, read_labelled
from container.rules.saved_step import SavedStep

_FEW = 5  # too few predictions of a class to judge it by
_ADVICE = (
    "train longer or with pretrained weights (weights=default) if most classes are named here; otherwise look at the "
    "pictures that are confused, for wrong labels and for classes that look alike"
)

_SURE = 1.0
"""Standard errors by which a share must be beyond its limit."""


def _bound(share: float, count: int, side: int) -> float:
    """Compute the bound of Wilson's interval of a share: the upper one for side 1, the lower one for -1."""
    spread = _SURE**2 / count
    half = _SURE * math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return (share + spread / 2 + side * half) / (1 + spread)


class Confusion(BuiltInRule[ConfusionParameters]):
    """A class's precision is below `min_diag`, or more than `max_off_diag` of its predictions belong to another class.

    The matrix is that of the last evaluation (steps in the mode EVAL), or of all steps if there is none. SageMaker's
    guide divides the diagonal by its sum, which fires for any matrix of several equal classes; here both shares are
    those of the column, and must be beyond the limit by a standard error (Wilson's).
    """

    def __init__(self, base_trial: Any, **parameters: object) -> None:
        super().__init__(base_trial, **parameters)
        self.lacks = f"the trial holds no labels with predictions, or fewer than {_FEW} of each class; {WHERE}"
        self._batches: list[Labelled] = []
        self._last: SavedStep | None = None
        self._evaluated = False

    def judge(self, step: SavedStep) -> None:
        if self._evaluated and step.mode != "EVAL":
            self.finish()
            return
        batch = self._read(step)
        if batch is None:
            return
        if step.mode == "EVAL" and (self._last is None or self._last.mode != "EVAL"):
            self._batches, self._evaluated = [], True
        self._batches.append(batch)
        self._last = step

    def finish(self) -> None:
        """Judge the evaluation that has ended; it replaces the findings of an earlier one."""
        if not self._batches or self._last is None:
            return
        step, batches = self._last, self._batches
        self._batches, self._last = [], None
        self.findings.clear()
        size = max([*(one.classes for one in batches), self.parameters.category_no or 0])
        matrix = np.zeros((size, size), dtype=np.int64)
        for one in batches:
            inside = np.minimum(one.predictions if one.predictions is not None else 0, size - 1)
            np.add.at(matrix, (one.labels, inside), 1)
        for column in np.flatnonzero(matrix.sum(axis=0) >= _FEW):
            self.judged += 1
            self._column(step, matrix[:, column], int(column))

    def _column(self, step: SavedStep, counted: Any, number: int) -> None:
        count = int(counted.sum())
        shares = counted / count
        right = float(shares[number])
        others = shares.copy()
        others[number] = 0
        worst = int(others.argmax())
        if _bound(right, count, 1) < self.parameters.min_diag:
            what = f"{100 * right:.0f} % of what is predicted as class {number} is of it"
            self.find(step, self.parameters.predictions, right, what, _ADVICE, key=f"diagonal {number}")
        elif _bound(float(others[worst]), count, -1) > self.parameters.max_off_diag:
            what = f"{100 * others[worst]:.0f} % of what is predicted as class {number} is of class {worst}"
            self.find(step, self.parameters.predictions, float(others[worst]), what, _ADVICE, key=f"beside {number}")

    def _read(self, step: SavedStep) -> Labelled | None:
        wanted = self.parameters
        labels = [name for name in (wanted.labels,) if name in step.names] or step.members([wanted.labels_collection])
        found = [name for name in (wanted.predictions,) if name in step.names]
        batch = read_labelled(step, labels, found or step.members([wanted.predictions_collection]))
        return batch if batch is not None and batch.predictions is not None else None
