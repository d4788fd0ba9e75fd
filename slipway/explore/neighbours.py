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

_GROUP = 64
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
        yield rows, *_largest(similarities, count)
        advance(rows.stop - rows.start)


def _largest(similarities: Floats, count: int) -> tuple[Integers, Floats]:
    """Find the largest of each row, in order: their columns and themselves, both (rows, count)."""
    # Selecting among all takes longer than computing them, so the columns are first searched for in groups of every
    # so-many-th column: those with the largest maxima contain the largest.
    groups = similarities.shape[1] // _GROUP
    if groups > 4 * count:
        grouped = similarities[:, : groups * _GROUP].reshape(len(similarities), _GROUP, groups)
        best = np.argpartition(grouped.max(axis=1), groups - count, axis=1)[:, groups - count :]
        members = best[:, None, :] + groups * np.arange(_GROUP)[None, :, None]
        rest = np.arange(groups * _GROUP, similarities.shape[1])
        columns = np.concatenate(
            [members.reshape(len(best), -1), np.broadcast_to(rest, (len(best), len(rest)))], axis=1
        )
        similarities = np.take_along_axis(similarities, columns, axis=1)
    else:
        columns = np.broadcast_to(np.arange(similarities.shape[1]), similarities.shape)
    found = np.argpartition(-similarities, count - 1, axis=1)[:, :count]
    near = np.take_along_axis(similarities, found, axis=1)
    found = np.take_along_axis(found, np.argsort(-near, axis=1, kind="stable"), axis=1)
    return np.take_along_axis(columns, found, axis=1), np.take_along_axis(similarities, found, axis=1)


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
