"""The labels and predictions of a step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from container.rules.saved_step import SavedStep, Values

Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """The labels and predictions of a batch."""

    labels: Classes
    """(N,)"""
    predictions: Classes | None
    """(N,); None if they were not saved."""
    classes: int
    """The number of classes: of the predictions, or the largest label plus one if they do not tell."""


def read_labelled(step: SavedStep, labels: Sequence[str], predictions: Sequence[str]) -> Labelled | None:
    """Read the first tensor of each list that the step saved whole; None if there are no labels.

    Predictions of shape (N, classes) are scores, of which the largest gives the class.
    """
    truth = _first(step, labels)
    if truth is None:
        return None
    found = _first(step, predictions)
    truth = truth.reshape(-1).astype(np.int64)
    meant = truth >= 0  # losses ignore negative labels
    count = int(truth.max(initial=-1)) + 1
    if found is not None and found.ndim > 1 and found.shape[-1] > 1:
        count = max(count, found.shape[-1])
        found = found.argmax(axis=-1)
    fits = found is not None and found.size == truth.size
    guessed = found.reshape(-1).astype(np.int64)[meant] if found is not None and fits else None
    return Labelled(labels=truth[meant], predictions=guessed, classes=count)


def _first(step: SavedStep, names: Sequence[str]) -> Values | None:
    for name in names:
        values = step.whole(name)
        if values is not None and values.ndim:
            return values
    return None
