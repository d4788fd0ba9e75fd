"""The softmax, without torch."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def softmax(logits: Floats) -> Floats:
    """Turn logits into probabilities of shape (N, classes), float32."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float32)
    found: Floats = powers / powers.sum(axis=1, keepdims=True)
    return found
