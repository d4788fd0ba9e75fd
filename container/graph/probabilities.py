"""The softmax, and the distance from typical logits, without torch."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def softmax(logits: Floats) -> Floats:
    """Turn logits into probabilities of shape (N, classes), float32."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float32)
    found: Floats = powers / powers.sum(axis=1, keepdims=True)
    return found


def distance(logits: Floats, typical: tuple[float, float]) -> Floats:
    """Compute how far logits are from those of a typical picture of their class: pictures of no class are far.

    A trained network maps the pictures of a class close to one point, at which all logits but that of the class are
    about equal ("Prevalence of neural collapse during the terminal phase of deep learning training", Papyan et al.,
    2020).

    Args:
        logits: Shape (N, classes), not divided by the model's temperature.
        typical: The highest logit of a typical picture, and its others.

    Returns:
        Euclidean distances, float32 (N,).
    """
    highest, others = typical
    squares = np.square(logits - np.float32(others))
    most = logits.max(axis=1)
    of_others = squares.sum(axis=1) - np.square(most - np.float32(others))
    found: Floats = np.sqrt(np.maximum(of_others, 0) + np.square(most - np.float32(highest)))
    return found
