"""`check.safetensors`: a few pictures with the network's outputs for them, by which a server checks its engine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from container.atomic_file import write_atomically
from container.contract.errors import ArtifactError
from container.contract.model_files import CHECK
from container.graph.probabilities import Floats, softmax

MOST = 8
"""Pictures that are stored."""


@dataclass(frozen=True)
class _Tolerance:
    """How far a network's outputs may be from others because of rounding."""

    distance: float
    """Mean total variation distance of the probabilities, from 0 to 1."""
    near_tie: float
    """Most that the class named by the engine may be less probable than the right one."""


# What rounding does in networks of up to 150 layers; another network's or another preprocessing's outputs are farther.
_TOLERANCES = {
    "f32": _Tolerance(2e-3, 1e-2),
    "f16": _Tolerance(5e-2, 0.15),
    "bf16": _Tolerance(0.1, 0.3),
    "int8": _Tolerance(0.1, 0.3),
}


@dataclass(frozen=True, kw_only=True)
class CheckPictures:
    """Pictures as the network's input, and its outputs for them."""

    squares: npt.NDArray[np.uint8]
    """Shape (N, size, size, 3)."""
    logits: Floats
    """Shape (N, classes): the outputs before the softmax, by torch in float32."""
    int8_logits: Floats | None = None
    """The same by the quantised graph on the machine that made it."""

    def disagreement(self, found: Floats, precision: str) -> str:
        """Say how an engine's outputs for these pictures differ by more than its rounding; empty if they do not.

        Args:
            found: Shape (N, classes).
            precision: f32, f16 or bf16; int8 compares with the quantised graph's outputs.
        """
        wanted = self.int8_logits if precision == "int8" else self.logits
        if wanted is None or wanted.shape != found.shape:
            return f"its outputs have the shape {found.shape}"
        if not (np.isfinite(found).all() and np.isfinite(wanted).all()):
            return "its outputs are not numbers (NaN or infinity)"
        allowed = _TOLERANCES[precision]
        probable, given = softmax(wanted), softmax(found)
        for row, (right, other) in enumerate(zip(probable, given, strict=True)):
            lost = float(right.max() - right[other.argmax()])
            if lost > allowed.near_tie:
                return f"it answers class {other.argmax()} to check picture {row} of class {right.argmax()}"
        distance = float(np.abs(probable - given).sum(axis=1).mean()) / 2
        if distance > allowed.distance:
            return f"its probabilities differ by {distance:.3g} on average; rounding explains {allowed.distance:g}"
        return ""

    def save(self, directory: Path) -> None:
        """Write `check.safetensors`.

        Raises:
            OSError: It cannot be written.
        """
        tensors: dict[str, npt.NDArray[Any]] = {"squares": self.squares, "logits": self.logits}
        if self.int8_logits is not None:
            tensors["int8_logits"] = self.int8_logits
        content = safetensors.numpy.save(tensors)
        write_atomically(directory / CHECK, lambda path: path.write_bytes(content))

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read `check.safetensors`.

        Raises:
            ArtifactError: It is missing or damaged.
        """
        try:
            return cls(**safetensors.numpy.load_file(directory / CHECK))
        except (OSError, safetensors.SafetensorError, TypeError) as error:
            raise ArtifactError(f"{CHECK} in {directory} cannot be read: {error}") from error


def drawn_squares(size: int, count: int = 4) -> npt.NDArray[np.uint8]:
    """Draw pictures for a network of which no real ones are stored: uint8, shape (count, size, size, 3).

    They have flat and rough parts, edges and all grey levels, and are the same on every machine.
    """
    rows, columns, colors = np.ogrid[:size, :size, :3]
    squares = []
    for number in range(count):
        waves = rows * rows // 7 + columns * (rows // 9 + 3 + number) + 85 * colors
        flat = (rows // 16 + columns // 16 + number) % 3 == 0
        squares.append(np.where(flat, 40 * colors + 90 - 20 * number, waves % 256).astype(np.uint8))
    return np.stack(squares)
