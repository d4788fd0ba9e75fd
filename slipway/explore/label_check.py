"""Judges labels, outliers and overlapping classes by features of the pictures.

Each picture's class is predicted from the others: by a linear discriminant fitted to four fifths of the pictures at a
time, and by the labels of its nearest neighbours; the two are averaged. Probable label errors are found among these
predictions by confident learning.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from container.confident_learning import LabelErrors, find_label_errors
from slipway.explore.neighbours import neighbours, principal_components, unit

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ENOUGH = 0.8
"""Share of a class's mean probability from which on a picture counts as one of it; see `find_label_errors`."""

LEAST_ACCURACY = 0.8
"""Share of labels that the features must predict before a label is doubted by them."""

OUTLIER_FACTOR = 3.0
"""How many times farther from its neighbours than the median picture an outlier is."""

LEAST_OVERLAP = 0.05
"""Share of the pictures of two classes, predicted as the other one, from which on they overlap."""

_DIMENSIONS = 128
_FOLDS = 5
_RIDGE = 0.1
_NEIGHBOURS = 10
_SHARPNESS = 10.0
_FEWEST = 20


@dataclass(frozen=True)
class Features:
    """Features of all pictures."""

    name: str
    """What they are, in words."""
    values: Floats
    """(N, D)."""


@dataclass(frozen=True)
class Overlap:
    """Two classes that are taken for each other."""

    first: int
    second: int
    mistaken: int
    """Pictures of either that are predicted as the other."""
    share: float
    """The same as a share of the pictures of both."""


@dataclass(frozen=True)
class Judgement:
    """What the features say about labels and pictures."""

    features: Features
    accuracy: float
    """Share of the labels that the features predict, from 0 to 1."""
    errors: LabelErrors
    """Empty if the features predict too few labels."""
    nearest: Integers
    """Each picture's nearest one that is labelled as it is predicted, (N,); -1 if there is none."""
    overlaps: Sequence[Overlap]
    outliers: Integers
    """The farthest first."""
    distances: Doubles
    """Cosine distance to the nearest neighbours, as a multiple of the median picture's, (N,)."""


def judge(
    kinds: Sequence[Features],
    labels: Integers,
    class_count: int,
    advance: Callable[[int], None] = lambda rows: None,
) -> Judgement | None:
    """Judge by those features that predict the labels best.

    Args:
        kinds: Features of the same pictures.
        labels: Class indices, (N,).
        class_count: Number of classes.
        advance: Called with the number of pictures judged by one kind of features.

    Returns:
        None where there are too few pictures to say anything.
    """
    if len(labels) < _FEWEST or not kinds:
        return None
    features, (probabilities, near, similarities) = kinds[0], _predict(kinds[0], labels, class_count, advance)
    accuracy = _share_predicted(probabilities, labels)
    for others in kinds[1:]:
        found = _predict(others, labels, class_count, advance)
        if (share := _share_predicted(found[0], labels)) > accuracy:
            features, (probabilities, near, similarities), accuracy = others, found, share
    predicted = probabilities.argmax(axis=1)
    errors = find_label_errors(probabilities, labels, ENOUGH)
    if accuracy < LEAST_ACCURACY:
        errors = LabelErrors(errors.indices[:0], errors.suggested[:0], errors.margins[:0])
    distances = 1 - similarities.mean(axis=1).astype(np.float64)
    distances /= max(float(np.median(distances)), 1e-9)
    outliers = np.flatnonzero(distances >= OUTLIER_FACTOR)
    agrees = labels[near] == predicted[:, None]
    return Judgement(
        features=features,
        accuracy=accuracy,
        errors=errors,
        nearest=np.where(agrees.any(axis=1), near[np.arange(len(near)), agrees.argmax(axis=1)], -1),
        overlaps=_overlaps(predicted, labels, class_count) if class_count > 1 else (),
        outliers=outliers[np.argsort(-distances[outliers], kind="stable")],
        distances=distances,
    )


def _share_predicted(probabilities: Floats, labels: Integers) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def _predict(
    features: Features, labels: Integers, class_count: int, advance: Callable[[int], None]
) -> tuple[Floats, Integers, Floats]:
    """Predict each label from the other pictures: probabilities (N, classes), neighbours and their similarities."""
    values = principal_components(features.values, min(_DIMENSIONS, features.values.shape[1])).project(features.values)
    probabilities = np.full((len(labels), class_count), 0.05 / class_count, np.float32)
    near = np.empty((len(labels), min(_NEIGHBOURS, len(labels) - 1)), np.int64)
    similarities = np.empty(near.shape, np.float32)
    vectors = unit(values)
    for rows, found, similarity in neighbours(vectors, vectors, _NEIGHBOURS, advance):
        near[rows], similarities[rows] = found, similarity
        votes = np.exp(_SHARPNESS * (similarity - similarity[:, :1]).astype(np.float64))
        votes /= votes.sum(axis=1, keepdims=True)
        for column in range(found.shape[1]):
            probabilities[np.arange(rows.start, rows.stop), labels[found[:, column]]] += votes[:, column]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    for chosen, others in _discriminant(values, labels, class_count):
        probabilities[chosen] = (probabilities[chosen] + others) / 2
    return probabilities, near, similarities


def _discriminant(values: Floats, labels: Integers, class_count: int) -> Iterator[tuple[Integers, Doubles]]:
    """Predict by linear discriminant analysis, each fold from the others: its rows and (rows, classes)."""
    folds = np.random.default_rng(0).permutation(len(labels)) % _FOLDS
    for fold in range(_FOLDS):
        known = folds != fold
        mine, of_class = values[known], labels[known]
        counts = np.bincount(of_class, minlength=class_count)
        means = np.zeros((class_count, values.shape[1]), np.float64)
        np.add.at(means, of_class, mine)
        means /= np.maximum(1, counts)[:, None]
        within = (mine - means[of_class]).astype(np.float64)
        scatter = within.T @ within / len(mine)
        scatter += (_RIDGE * np.trace(scatter) / len(scatter) + 1e-9) * np.eye(len(scatter))
        weights = np.linalg.solve(scatter, means.T)
        offsets = np.log(np.maximum(counts, 1e-9) / len(mine)) - (means.T * weights).sum(axis=0) / 2
        logits = values[~known] @ weights + offsets
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        yield np.flatnonzero(~known), powers / powers.sum(axis=1, keepdims=True)


def _overlaps(predicted: Integers, labels: Integers, class_count: int) -> list[Overlap]:
    counts = np.bincount(labels, minlength=class_count)
    wrong = predicted != labels
    keys, mistaken = np.unique(
        np.minimum(labels, predicted)[wrong] * class_count + np.maximum(labels, predicted)[wrong], return_counts=True
    )
    found = []
    for key, count in zip(keys.tolist(), mistaken.tolist(), strict=True):
        first, second = divmod(key, class_count)
        share = count / (counts[first] + counts[second])
        if share >= LEAST_OVERLAP and count >= 3:
            found.append(Overlap(first, second, count, float(share)))
    return sorted(found, key=lambda overlap: -overlap.share)
