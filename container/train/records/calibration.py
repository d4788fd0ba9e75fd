"""Temperature scaling: one number that makes a network's probabilities as high as they are right.

Dividing the logits by a temperature changes no class, only how sure the network is. The temperature with the lowest
cross-entropy on the validation split is taken ("On Calibration of Modern Neural Networks", Guo et al., 2017).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from container.graph.probabilities import distance, softmax

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FEWEST_PICTURES = 30
FEWEST_MISTAKES = 4
FLAGGED = 0.05
"""Share of the validation pictures that are flagged as unlike the training data."""
_HIGHEST = 20.0
_ITERATIONS = 40


def calibrate(logits: Floats, targets: Integers) -> dict[str, Any]:
    """Fit the temperature, and choose below which probability an answer is better rejected.

    Args:
        logits: Of the validation split, (N, classes).
        targets: Class indices, (N,).

    Returns:
        `ModelCard.calibration`: `pictures`, and `temperature`, or `uncalibrated` with the reason why there is none;
        `reject_below`, unless there are too few mistakes to choose it; `typical_logits` and
        `distance_above`, the distance from them that 5 % of the pictures exceed.
    """
    found: dict[str, Any] = {"pictures": len(targets)}
    temperature = fit_temperature(logits, targets) if len(targets) >= FEWEST_PICTURES else None
    if temperature is not None:
        found["temperature"] = round(temperature, 4)
    elif len(targets) < FEWEST_PICTURES:
        found["uncalibrated"] = f"{FEWEST_PICTURES} validation pictures are needed, and there are {len(targets)}"
    else:
        found["uncalibrated"] = "every validation picture was classified correctly"
    probabilities = softmax(np.asarray(logits / found.get("temperature", 1.0), np.float32))
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    if (threshold := reject_below(confidence, right)) is not None:
        found["reject_below"] = threshold
    if len(targets) >= FEWEST_PICTURES:
        typical = typical_logits(logits)
        distances = distance(np.asarray(logits, np.float32), typical)
        found["typical_logits"] = list(typical)
        found["distance_above"] = round(float(np.quantile(distances, 1 - FLAGGED)), 4)
    return found


def typical_logits(logits: Floats) -> tuple[float, float]:
    """Compute the mean of the highest logit of each picture, and that of all its others."""
    highest = logits.max(axis=1)
    others = (logits.sum(axis=1) - highest) / max(1, logits.shape[1] - 1)
    return round(float(highest.mean()), 4), round(float(others.mean()), 4)


def fit_temperature(logits: Floats, targets: Integers) -> float | None:
    """Find the temperature with the lowest cross-entropy, from 1/20 to 20.

    Returns:
        None where it would be zero: every picture is classified correctly.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    true = shifted[np.arange(len(targets)), targets]
    if not (true < 0).any():
        return None

    def slope(scale: float) -> float:
        """Derivative of the cross-entropy by 1/temperature; it rises, as the cross-entropy is convex."""
        powers = np.exp(scale * shifted)
        return float(((powers * shifted).sum(axis=1) / powers.sum(axis=1) - true).mean())

    low, high = -np.log(_HIGHEST), np.log(_HIGHEST)
    for _ in range(_ITERATIONS):
        middle = (low + high) / 2
        if slope(float(np.exp(middle))) < 0:
            low = middle
        else:
            high = middle
    return float(np.exp(-(low + high) / 2))


def reject_below(confidence: npt.NDArray[np.floating[Any]], right: npt.NDArray[np.bool_]) -> float | None:
    """Choose the lowest threshold at which the share of mistakes among the answers is at most half of what it is now.

    Args:
        confidence: Probability of the predicted class, (N,).
        right: Whether the prediction is right, (N,).

    Returns:
        None where there are too few mistakes to choose by, or no threshold does it.
    """
    wrong = int((~right).sum())
    if wrong < FEWEST_MISTAKES:
        return None
    order = np.argsort(confidence, kind="stable")
    ascending, mistakes = confidence[order], (~right)[order]
    left = wrong - np.concatenate([[0], np.cumsum(mistakes)[:-1]])  # mistakes from each place on
    answered = len(order) - np.arange(len(order))
    enough = left / answered <= wrong / len(order) / 2
    if not enough.any():
        return None
    # Rounded up, so that nothing below it is answered.
    return math.ceil(float(ascending[int(enough.argmax())]) * 1e4) / 1e4
