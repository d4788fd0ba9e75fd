"""The interface of an engine."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]


class Engine(Protocol):
    """A network on its device; not thread-safe."""

    name: str
    """As in SLIPWAY_ENGINE."""
    precision: str
    """Precision of multiplications: f32, bf16, f16 or int8."""
    device: str
    """cpu, or cuda:0."""
    threads: int
    """CPU threads for the computation."""

    def logits(self, squares: Sequence[Pixels]) -> Logits:
        """Run the network on one or more uint8 squares (size, size, 3); returns shape (N, classes)."""
