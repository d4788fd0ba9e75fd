"""The outline of a picture: a few of its pixels, by which pictures are compared without a network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 32
"""Rows and columns of the grey values."""

COLOUR_SIDE = 8
"""Rows and columns of the colours."""

_GREY = SIDE * SIDE

LENGTH = _GREY + 3 * COLOUR_SIDE * COLOUR_SIDE
"""Bytes of an outline."""


@dataclass(frozen=True)
class Outlines:
    """The outlines of several pictures, 8 bits a value."""

    grey: npt.NDArray[np.uint8]
    """(N, SIDE, SIDE)."""
    colours: npt.NDArray[np.uint8]
    """(N, COLOUR_SIDE, COLOUR_SIDE, 3)."""

    def features(self) -> npt.NDArray[np.float32]:
        """Return grey values on half the grid and colours, one row for each picture."""
        count, half = len(self.grey), SIDE // 2
        coarse = self.grey.reshape(count, half, 2, half, 2).mean(axis=(2, 4), dtype=np.float32)
        return np.concatenate([coarse.reshape(count, -1), self.colours.reshape(count, -1)], axis=1, dtype=np.float32)


def outline(picture: Image.Image) -> bytes:
    """Shrink an RGB picture to its grey values and colours, without keeping its proportions."""
    # Averages whole blocks first, which is quick, and leaves enough of them for the exact shares of the grid.
    small = picture.reduce(max(1, min(picture.size) // (4 * SIDE)))
    grey = small.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    return grey.tobytes() + small.resize((COLOUR_SIDE, COLOUR_SIDE), Image.Resampling.BOX).tobytes()


def stack(outlines: Sequence[bytes]) -> Outlines:
    """Make arrays of several outlines."""
    rows = np.frombuffer(b"".join(outlines), np.uint8).reshape(len(outlines), -1)
    return Outlines(rows[:, :_GREY].reshape(-1, SIDE, SIDE), rows[:, _GREY:].reshape(-1, COLOUR_SIDE, COLOUR_SIDE, 3))
