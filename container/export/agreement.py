"""How far a graph's answers are from torch's, on real pictures."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from container.graph.probabilities import Floats, softmax

Squares = npt.NDArray[np.uint8]
"""Shape (N, size, size, 3)."""
Compute = Callable[[Sequence[Squares]], Floats]
"""Logits, shape (N, classes), of a batch of pictures."""

_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One graph compared with torch in float32."""

    pictures: int
    equal_classes: float
    """Share of the pictures with the same most probable class, from 0 to 1."""
    largest_difference: float
    """The largest of two probabilities, from 0 to 1."""

    @classmethod
    def of(cls, found: Floats, wanted: Floats) -> Self:
        """Compare two networks' logits, shape (N, classes), for the same pictures."""
        probable, right = softmax(found), softmax(wanted)
        return cls(
            pictures=len(found),
            equal_classes=float((probable.argmax(1) == right.argmax(1)).mean()),
            largest_difference=float(np.abs(probable - right).max()),
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def in_batches(compute: Compute, squares: Squares) -> Floats:
    """Compute the logits of many pictures, a batch at a time."""
    parts = [compute(list(squares[start : start + _BATCH])) for start in range(0, len(squares), _BATCH)]
    return np.concatenate(parts)
