"""The interface of an engine, and how far its outputs may differ from torch's."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from container.model_card import ModelCard, reference_picture

Pixels = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]

TOLERANCE = {"f32": 1e-3, "bf16": 5e-2, "f16": 2e-2}
"""Largest relative error of a network's outputs that counts as rounding, by precision."""


class Engine(Protocol):
    """A network on its device; not thread-safe."""

    name: str
    """As in SLIPWAY_ENGINE."""
    precision: str
    """Precision of multiplications: f32, bf16 or f16."""
    device: str
    """cpu, or cuda:0."""
    threads: int
    """CPU threads for the computation."""

    def logits(self, squares: Sequence[Pixels]) -> Logits:
        """Run the network on one or more uint8 squares (size, size, 3); returns shape (N, classes)."""


def error_of(engine: Engine, card: ModelCard) -> float:
    """Compute an engine's relative error (Euclidean norm) against `ModelCard.reference`."""
    wanted = np.array(card.reference, np.float64)
    [found] = engine.logits([reference_picture(card.preprocessing.size)])
    error = np.linalg.norm(found - wanted) / max(float(np.linalg.norm(wanted)), 1e-12)
    return float(error) if np.isfinite(error) else float("inf")
