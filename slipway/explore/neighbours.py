"""Nearest neighbours by cosine similarity, in blocks: memory grows with the pictures, not with their pairs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

_BLOCK_VALUES = 8_000_000
"""Similarities of a block, 32 MB."""

_SAMPLE = 10_000
_PROJECTED_ROWS = 4_096


def unit(vectors: Floats) -> Floats:
    """Scale rows to length 1; rows of zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Floats = vectors / np.maximum(lengths, 1e-12)
    return scaled


def neighbours(
    queries: Floats, vectors: Floats, count: int, advance: Callable[[int], None] = lambda rows: None
) -> Iterator[tuple[slice, Integers, Floats]]:
    """Find each query's nearest vectors, leaving out the vector of the same row.

    Args:
        queries: Rows of length 1, (N, D).
        vectors: Rows of length 1, (N, D).
        count: How many of each, at most N - 1.
        advance: Called with the rows of each block.

    Yields:
        The rows of a block, and for each the neighbours' rows and similarities, the nearest first.
    """
    count = min(count, len(vectors) - 1)
    size = max(1, _BLOCK_VALUES // max(1, len(vectors)))
    for start in range(0, len(queries), size):
        rows = slice(start, min(start + size, len(queries)))
        similarities = queries[rows] @ vectors.T
        own = np.arange(rows.stop - rows.start)
        similarities[own, own + start] = -np.inf
        found = np.argpartition(-similarities, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(similarities, found, axis=1)
        order = np.argsort(-near, axis=1, kind="stable")
        yield rows, np.take_along_axis(found, order, axis=1), np.take_along_axis(near, order, axis=1)
        advance(rows.stop - rows.start)


@dataclass(frozen=True)
class Components:
    """Principal components of some rows."""

    mean: Floats
    """(D,)."""
    basis: Floats
    """One component a column, (D, components), the largest first."""

    def project(self, vectors: npt.NDArray[Any]) -> Floats:
        """Project rows of any floating type, block by block: (N, components)."""
        projected = np.empty((len(vectors), self.basis.shape[1]), np.float32)
        for start in range(0, len(vectors), _PROJECTED_ROWS):
            rows = slice(start, start + _PROJECTED_ROWS)
            projected[rows] = (np.asarray(vectors[rows], np.float32) - self.mean) @ self.basis
        return projected


def principal_components(vectors: npt.NDArray[Any], count: int, *, seed: int = 0) -> Components:
    """Compute the principal components of a sample of the rows.

    Args:
        vectors: (N, D), of any floating type.
        count: Components to keep, at most D.
        seed: Of the sample.
    """
    generator = np.random.default_rng(seed)
    chosen = generator.choice(len(vectors), min(len(vectors), _SAMPLE), replace=False)
    sample = np.asarray(vectors[np.sort(chosen)], np.float32)
    mean = sample.mean(axis=0)
    centred = sample - mean
    _, axes = np.linalg.eigh(centred.T @ centred)
    basis = axes[:, ::-1][:, :count]
    # The sign of a component is arbitrary; made the same everywhere.
    largest = basis[np.abs(basis).argmax(axis=0), np.arange(basis.shape[1])]
    return Components(mean, np.ascontiguousarray(basis * np.where(largest < 0, -1, 1), dtype=np.float32))
