"""Finds pictures that show the same: re-compressed, resized, cropped a little, mirrored, or with another brightness.

Candidates are each picture's most similar ones, by their outlines (also mirrored and cropped) and, where there are
embeddings, by those. A pair counts if its outlines correlate far better than those of the other candidates do: how
alike different pictures are depends on the data, and scans of digits are much more so than photographs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from slipway.explore.alignment import ALIGNMENT_PASSES, WINDOWS, align, standardised, window_matrices
from slipway.explore.neighbours import neighbours, principal_components, unit

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

CANDIDATES = 8
"""Pairs of each picture that are compared closely."""

MOST_OF_TYPICAL = 0.2
"""How far a pair may be from equal, as a share of how far the pictures' typical candidates are."""

LEAST_CORRELATION = 0.9
"""Grey values of a pair correlate at least so."""

_PER_QUERY = 4
_DIMENSIONS = 64
_SAMPLE = 10_000
_BLOCK = 4_096

# Parts of a picture by which its crops are looked for: the centre and the corners.
_CROPS = tuple((top, left, 0.9) for top, left in ((0.05, 0.05), (0, 0), (0, 0.1), (0.1, 0), (0.1, 0.1)))


@dataclass(frozen=True)
class Pair:
    """Two pictures that show the same."""

    first: int
    second: int
    correlation: float
    """Correlation of the grey values, at most 1."""
    mirrored: bool


def find_pairs(
    outlines: npt.NDArray[np.uint8], embeddings: Floats | None, advance: Callable[[int], None] = lambda rows: None
) -> list[Pair]:
    """Find the pairs, the most similar first.

    Args:
        outlines: (N, side, side).
        embeddings: Rows of length 1, (N, D); None without any.
        advance: Called with the number of pictures that were compared in one of the `passes`.
    """
    if len(outlines) < 2:
        return []
    candidates = _candidates(outlines, embeddings, advance)
    # Both pictures of a pair name it, or one does.
    mine, theirs = np.repeat(np.arange(len(outlines)), candidates.shape[1]), candidates.ravel()
    known = theirs >= 0
    keys = np.minimum(mine, theirs)[known] * len(outlines) + np.maximum(mine, theirs)[known]
    unique, place = np.unique(keys, return_inverse=True)
    pairs = np.stack([unique // len(outlines), unique % len(outlines)], axis=1)
    aligned = align(outlines, pairs, advance)
    correlations = np.maximum(aligned.whole, aligned.cut)
    found = correlations >= LEAST_CORRELATION
    found &= _stand_out(aligned.whole, pairs, place, known, candidates.shape) | _stand_out(
        aligned.cut, pairs, place, known, candidates.shape
    )
    rows = np.flatnonzero(found)
    rows = rows[np.argsort(-correlations[rows], kind="stable")]
    return [
        Pair(int(pairs[row, 0]), int(pairs[row, 1]), float(correlations[row]), bool(aligned.mirrored[row]))
        for row in rows.tolist()
    ]


def _stand_out(
    correlations: Floats, pairs: Integers, place: Integers, known: npt.NDArray[np.bool_], shape: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """Find the pairs that are far more alike than either picture's typical candidate.

    Args:
        correlations: (pairs,).
        pairs: Rows of pictures, (pairs, 2).
        place: The pair of each known candidate.
        known: Which candidates there are, (N * CANDIDATES,).
        shape: (N, CANDIDATES).
    """
    of_candidates = np.full(shape, np.nan, np.float32)
    of_candidates.ravel()[known] = 1 - correlations[place]
    typical = np.nanmedian(of_candidates, axis=1)
    limit = MOST_OF_TYPICAL * np.minimum(typical[pairs[:, 0]], typical[pairs[:, 1]])
    # Equal outlines are within every limit, even where nothing but copies is compared.
    stand_out: npt.NDArray[np.bool_] = 1 - correlations <= np.maximum(limit, 1e-4)
    return stand_out


def passes(*, embeddings: bool) -> int:
    """Count how often `find_pairs` goes through all pictures, with embeddings or without."""
    return 2 * (1 + len(_CROPS)) + embeddings + ALIGNMENT_PASSES


def _candidates(outlines: npt.NDArray[np.uint8], embeddings: Floats | None, advance: Callable[[int], None]) -> Integers:
    """Choose each picture's candidates: (N, CANDIDATES), -1 where there are fewer."""
    count, side = outlines.shape[:2]
    best = np.full((count, CANDIDATES), -2.0, np.float32)
    chosen = np.full((count, CANDIDATES), -1, np.int64)
    sample = outlines[np.random.default_rng(0).permutation(count)[:_SAMPLE]]
    basis = principal_components(standardised(sample).reshape(len(sample), -1), min(_DIMENSIONS, side * side)).basis
    vectors = _described(outlines, basis, window_matrices(side, *WINDOWS[0]))
    for turned in (outlines, outlines[:, :, ::-1]):
        for window in (WINDOWS[0], *_CROPS):
            queries = _described(turned, basis, window_matrices(side, *window))
            for rows, found, near in neighbours(queries, vectors, _PER_QUERY, advance):
                _merge(best[rows], chosen[rows], near, found)
    if embeddings is not None:
        for rows, found, _ in neighbours(embeddings, embeddings, _PER_QUERY, advance):
            # Their similarities are of another scale: those that are not among the others replace the last.
            near = np.einsum("nd,nkd->nk", vectors[rows], vectors[found])
            _merge(best[rows], chosen[rows], near, found)
    return chosen


def _described(outlines: npt.NDArray[np.uint8], basis: Floats, window: tuple[Floats, Floats]) -> Floats:
    """Describe a part of each picture by a few numbers: rows of length 1."""
    vertical, horizontal = window
    described = np.empty((len(outlines), basis.shape[1]), np.float32)
    for start in range(0, len(outlines), _BLOCK):
        rows = slice(start, start + _BLOCK)
        part = standardised(vertical @ outlines[rows].astype(np.float32) @ horizontal)
        described[rows] = unit(part.reshape(len(part), -1) @ basis)
    return described


def _merge(best: Floats, chosen: Integers, near: Floats, found: Integers) -> None:
    """Keep the most similar of two lists of candidates in the first, each once."""
    similarities = np.concatenate([best, near], axis=1)
    rows = np.concatenate([chosen, found], axis=1)
    order = np.argsort(-similarities, axis=1, kind="stable")
    similarities, rows = np.take_along_axis(similarities, order, 1), np.take_along_axis(rows, order, 1)
    # Of one that is there twice, the less similar goes to the end.
    by_row = np.argsort(rows, axis=1, kind="stable")
    sorted_rows = np.take_along_axis(rows, by_row, 1)
    again = np.zeros(rows.shape, np.bool_)
    np.put_along_axis(again, by_row[:, 1:], sorted_rows[:, 1:] == sorted_rows[:, :-1], axis=1)
    similarities = np.where(again, -3, similarities)
    rows = np.where(again, -1, rows)
    order = np.argsort(-similarities, axis=1, kind="stable")[:, : best.shape[1]]
    best[:] = np.take_along_axis(similarities, order, 1)
    chosen[:] = np.take_along_axis(rows, order, 1)
