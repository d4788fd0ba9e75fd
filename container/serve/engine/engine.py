"""What an engine is, and how far its numbers may be from torch's own."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from container.model_card import ModelCard, reference_picture

Pixels = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]

TOLERANCE = {"f32": 1e-3, "bf16": 5e-2, "f16": 2e-2}
"""By precision: the largest relative error of a network's outputs that is taken for rounding."""


class Engine(Protocol):
    """A network on its device; it is asked by one thread at a time."""

    name: str
    """As in SLIPWAY_ENGINE."""
    precision: str
    """f32, bf16 or f16: what it multiplies in."""
    device: str
    """cpu, or cuda:0."""
    threads: int
    """On a CPU, those that it computes with."""

    def logits(self, squares: Sequence[Pixels]) -> Logits:
        """Run the network on uint8 squares (size, size, 3), at least one; its outputs have shape (N, classes)."""


def error_of(engine: Engine, card: ModelCard) -> float:
    """How far an engine is from `ModelCard.reference`: the length of the difference, by that of the reference."""
    wanted = np.array(card.reference, np.float64)
    [found] = engine.logits([reference_picture(card.preprocessing.size)])
    error = np.linalg.norm(found - wanted) / max(float(np.linalg.norm(wanted)), 1e-12)
    return float(error) if np.isfinite(error) else float("inf")
