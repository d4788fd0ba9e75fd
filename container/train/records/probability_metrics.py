"""What the probabilities of the tested model are worth: calibration, coverage, and precision over recall."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from container.atomic_file import write_atomically
from container.graph.probabilities import softmax

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FILE = "probabilities.json"
_BINS = 15
_POINTS = 100
_MOST_CURVES = 6
_Z = 1.959964
"""The normal distribution's quantile of a two-sided interval of 95 %."""


def probability_metrics(
    logits: Floats, targets: Integers, calibration: Mapping[str, Any], classes: Sequence[str]
) -> dict[str, Any]:
    """Compute what the training report says of the probabilities.

    Args:
        logits: Of the test split, (N, classes).
        targets: Class indices, (N,).
        calibration: As in `ModelCard.calibration`.
        classes: Class names, in the order of the outputs.

    Returns:
        JSON values; shares are from 0 to 1. The calibration error is the expected calibration error (ECE) over 15 bins
        of equal width.
    """
    plain = softmax(np.asarray(logits, np.float32)).astype(np.float64)
    scaled = softmax(np.asarray(logits / calibration.get("temperature", 1.0), np.float32)).astype(np.float64)
    right = plain.argmax(axis=1) == targets
    ranks = (plain > plain[np.arange(len(targets)), targets][:, None]).sum(axis=1)
    confidence = scaled.max(axis=1)
    before, after = _reliability(plain.max(axis=1), right), _reliability(confidence, right)
    return {
        "format_version": 1,
        "pictures": len(targets),
        "correct": int(right.sum()),
        "accuracy_interval": wilson_interval(int(right.sum()), len(targets)),
        "top5": float((ranks < 5).mean()),
        "calibration": dict(calibration),
        "calibration_error": {"before": _calibration_error(before), "after": _calibration_error(after)},
        "reliability": {"before": before, "after": after},
        "coverage": _coverage(confidence, right),
        "rejected": _rejected(confidence, right, calibration.get("reject_below")),
        "average_precision": (precision := _average_precision(scaled, targets)),
        "curves": _curves(scaled, targets, precision, classes),
    }


def write_probability_metrics(directory: Path, metrics: Mapping[str, Any]) -> None:
    """Write probabilities.json below the job's output data."""
    text = json.dumps(metrics, ensure_ascii=False) + "\n"
    write_atomically(directory / FILE, lambda path: path.write_text(text, encoding="utf-8"))


def wilson_interval(right: int, total: int) -> list[float]:
    """Compute the 95 % interval of a share by Wilson's score, which also holds for few pictures and near 0 and 1."""
    share, square = right / total, _Z**2
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = _Z / (1 + square / total) * math.sqrt(share * (1 - share) / total + square / (4 * total**2))
    return [max(0.0, middle - half), min(1.0, middle + half)]


def _reliability(confidence: Floats, right: npt.NDArray[np.bool_]) -> list[dict[str, float]]:
    """List the bins that hold a picture: mean confidence, accuracy, pictures."""
    places = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    return [
        {
            "confidence": float(confidence[places == place].mean()),
            "accuracy": float(right[places == place].mean()),
            "pictures": int((places == place).sum()),
        }
        for place in np.unique(places)
    ]


def _calibration_error(bins: Sequence[Mapping[str, float]]) -> float:
    total = sum(each["pictures"] for each in bins)
    return sum(each["pictures"] / total * abs(each["confidence"] - each["accuracy"]) for each in bins)


def _coverage(confidence: Floats, right: npt.NDArray[np.bool_]) -> list[list[float]]:
    """List share answered, accuracy of the answers, and lowest probability answered, the surest pictures first."""
    order = np.argsort(-confidence, kind="stable")
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    places = np.unique(np.linspace(0, len(order) - 1, _POINTS).round().astype(int))
    return [
        [float((place + 1) / len(order)), float(accuracy[place]), float(confidence[order[place]])] for place in places
    ]


def _rejected(confidence: Floats, right: npt.NDArray[np.bool_], below: float | None) -> dict[str, float] | None:
    """Say what the threshold, chosen on the validation split, does to the test split."""
    if below is None:
        return None
    answered = confidence >= below
    return {
        "below": below,
        "coverage": float(answered.mean()),
        "accuracy": float(right[answered].mean()) if answered.any() else 1.0,
    }


def _average_precision(probabilities: Floats, targets: Integers) -> list[float | None]:
    """Compute each class's average precision; None for a class without test pictures."""
    return [
        None if (curve := _curve(probabilities[:, index], targets == index)) is None else _area(*curve)
        for index in range(probabilities.shape[1])
    ]


def _area(recall: Floats, precision: Floats) -> float:
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def _curve(scores: Floats, true: npt.NDArray[np.bool_]) -> tuple[Floats, Floats] | None:
    """Recall and precision at every score, the highest first."""
    if not true.any():
        return None
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(true[order])
    # Equal scores are told apart by no threshold.
    ends = np.append(np.diff(scores[order]) != 0, [True])
    return (hits / hits[-1])[ends], (hits / np.arange(1, len(hits) + 1))[ends]


def _curves(
    probabilities: Floats, targets: Integers, average: Sequence[float | None], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Draw the classes with the lowest average precision, the lowest first."""
    ranked = sorted((value, index) for index, value in enumerate(average) if value is not None)
    found = []
    for _, index in ranked[:_MOST_CURVES]:
        curve = _curve(probabilities[:, index], targets == index)
        assert curve is not None
        recall, precision = curve
        places = np.unique(np.linspace(0, len(recall) - 1, _POINTS).round().astype(int))
        found.append(
            {
                "class": classes[index],
                "recall": recall[places].round(4).tolist(),
                "precision": precision[places].round(4).tolist(),
            }
        )
    return found
