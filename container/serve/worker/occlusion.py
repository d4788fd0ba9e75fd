"""Occlusion: which parts of its input a network based a class on, found by hiding them. It needs no gradients."""

from collections.abc import Sequence

import numpy as np

from container.graph.probabilities import softmax
from container.preprocessing import Preprocessing
from container.serve.worker.engine.engine import Engine, Pixels
from container.serve.worker.explain import Heat

MOST_CELLS = 7
"""Cells in a row of the heat map; fewer in a smaller input."""


class Occlusion:
    """Explains predictions by forward passes alone, on any engine."""

    method = "occlusion"
    layer = "input"

    def __init__(self, engine: Engine, preprocessing: Preprocessing) -> None:
        self._engine = engine
        self._size = preprocessing.size
        self._mean = np.array(preprocessing.mean) * 255

    def heat(self, squares: Sequence[Pixels], classes: Sequence[int]) -> Heat:
        """Compute a heat map per picture for its class: how much its probability falls when a place is hidden.

        Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014, section 4.2: a patch of
        the mean colour, two cells wide, is moved over the picture from cell to cell.

        Args:
            squares: uint8, shape (size, size, 3).
            classes: The class to explain, per picture.

        Returns:
            Shape (N, cells, cells). Each picture's strongest cell is 1; all are 0 if hiding nothing lowers the
            probability.
        """
        whole = softmax(self._engine.logits(squares))
        maps = []
        for square, index, probabilities in zip(squares, classes, whole, strict=True):
            hidden = [softmax(self._engine.logits(row))[:, index] for row in self._hide(square)]
            heat = np.nan_to_num(probabilities[index] - np.stack(hidden)).clip(min=0)
            maps.append(heat / max(heat.max(), np.finfo(np.float32).tiny))
        return np.stack(maps).astype(np.float32)

    def _hide(self, square: Pixels) -> list[list[Pixels]]:
        """Copy a picture once for each cell, with that cell hidden; one row of cells after the other."""
        cells = min(MOST_CELLS, self._size)
        edges = [
            slice(max(0, round((cell - 0.5) * self._size / cells)), round((cell + 1.5) * self._size / cells))
            for cell in range(cells)
        ]
        return [[self._hide_one(square, rows, columns) for columns in edges] for rows in edges]

    def _hide_one(self, square: Pixels, rows: slice, columns: slice) -> Pixels:
        copy = square.copy()
        copy[rows, columns] = self._mean.round()
        return copy
