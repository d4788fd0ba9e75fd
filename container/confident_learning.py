"""Finds probable label errors from out-of-sample probabilities.

The method is confident learning ("Confident Learning: Estimating Uncertainty in Dataset Labels", Northcutt, Jiang and
Chuang, 2021): a picture counts as one of class j if its probability of j is at least the mean that the pictures
labelled j have. One that counts as another class than its label's is a probable error.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LabelErrors:
    """Probable label errors, the most probable first."""

    indices: Integers
    """Rows of the probabilities."""
    suggested: Integers
    """The class that each probably has, by index."""
    margins: npt.NDArray[np.float64]
    """Probability of the suggested class less that of the given one."""


def find_label_errors(probabilities: Floats, labels: Integers, share: float = 1.0) -> LabelErrors:
    """Find the pictures that count as another class than their label's.

    Args:
        probabilities: Out-of-sample, (N, classes).
        labels: The given classes, (N,).
        share: Of a class's mean probability, how much is enough to count as it. Less than 1, which is the published
            method, finds more errors and more that are none.
    """
    classes = probabilities.shape[1]
    rows = np.arange(len(labels))
    own = probabilities[rows, labels]
    counts = np.bincount(labels, minlength=classes)
    # Of a class without pictures nothing is known: nothing counts as it.
    thresholds = np.where(counts, np.bincount(labels, own, classes) / np.maximum(1, counts), np.inf)
    confident = np.where(probabilities >= share * thresholds, probabilities, -np.inf)
    suggested = confident.argmax(axis=1)
    margins = (probabilities[rows, suggested] - own).astype(np.float64)
    wrong = np.isfinite(confident.max(axis=1)) & (suggested != labels) & (margins > 0)
    found = np.flatnonzero(wrong)
    found = found[np.argsort(-margins[found], kind="stable")]
    return LabelErrors(found, suggested[found], margins[found])
