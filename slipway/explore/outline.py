"""The outline of a picture: its grey values on a small grid, by which pictures are compared pixel by pixel."""

import numpy as np
import numpy.typing as npt
from PIL import Image

SIDE = 32
"""Rows and columns of an outline."""

Outlines = npt.NDArray[np.uint8]
"""(N, SIDE, SIDE)."""


def outline(picture: Image.Image) -> bytes:
    """Shrink an RGB picture to `SIDE` x `SIDE` grey values, without keeping its proportions."""
    # Averages whole blocks first, which is quick, and leaves enough of them for the exact shares of the grid.
    block = max(1, min(picture.size) // (4 * SIDE))
    grey = picture.reduce(block).convert("L")
    return grey.resize((SIDE, SIDE), Image.Resampling.BOX).tobytes()


def stack(outlines: list[bytes]) -> Outlines:
    """Make one array of several outlines."""
    return np.frombuffer(b"".join(outlines), np.uint8).reshape(-1, SIDE, SIDE)
