"""How well the outlines of two pictures correlate if one may be mirrored and a little of either cut off."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

_LENGTHS = {1.0: (0.0,), 0.95: (0.0, 0.05), 0.9: (0.0, 0.025, 0.05, 0.075, 0.1)}
"""Where a part of a side may begin, by its share of the side."""

WINDOWS = tuple(
    (top, left, length) for length, starts in _LENGTHS.items() for top, left in itertools.product(starts, starts)
)
"""Parts of a picture that are left after up to a tenth of each side was cut off; the first is the whole."""

_DARKEST, _BRIGHTEST = 5, 245
_LEAST_SHARE = 0.1

ALIGNMENT_PASSES = 2
"""How often `align` goes through the pictures."""

_PAIRS = 2_048
"""Pairs that are compared at a time."""

_PICTURES = 128
"""Pictures whose parts are in memory at a time: 15 MB for sides of 32."""


@dataclass(frozen=True)
class Aligned:
    """The correlations of pairs, at most 1."""

    whole: Floats
    """Correlation of the whole pictures, the better of mirrored or not, (pairs,)."""
    cut: Floats
    """Correlation of the whole of one and the best part of the other, (pairs,)."""
    mirrored: npt.NDArray[np.bool_]
    """Whether the better of both is of a mirrored picture, (pairs,)."""


def align(
    outlines: npt.NDArray[np.uint8], pairs: Integers, advance: Callable[[int], None] = lambda pictures: None
) -> Aligned:
    """Correlate the outlines of pairs, mirrored or not, with each of `WINDOWS` cut out of either.

    Args:
        outlines: Grey values, (N, side, side).
        pairs: Rows of outlines, (pairs, 2).
        advance: Called with the number of pictures whose parts were compared, at most all in each of the two passes.
    """
    whole = np.empty((2, len(pairs)), np.float32)
    for start in range(0, len(pairs), _PAIRS):
        rows = slice(start, start + _PAIRS)
        first, second = (outlines[pairs[rows, side]] for side in (0, 1))
        for turned, turn in zip(whole, (1, -1), strict=True):
            turned[rows] = _within_range(first, second[:, :, ::turn])
    cut = np.maximum(_best_parts(outlines, pairs, advance), _best_parts(outlines, pairs[:, ::-1], advance))
    upright, mirrored = np.maximum(whole, cut)
    return Aligned(whole=whole.max(axis=0), cut=cut.max(axis=0), mirrored=mirrored > upright)


def _best_parts(outlines: npt.NDArray[np.uint8], pairs: Integers, advance: Callable[[int], None]) -> Floats:
    """Correlate the best part of the first with the whole of the second, upright and mirrored: (2, pairs)."""
    cuts = [window_matrices(outlines.shape[1], *window) for window in WINDOWS[1:]]
    best = np.empty((2, len(pairs)), np.float32)
    # A picture's parts are made once for all its pairs. No window is left out in the mirror, so mirroring the second
    # is as good as mirroring the first.
    by_first = np.argsort(pairs[:, 0], kind="stable")
    pictures, starts = np.unique(pairs[by_first, 0], return_index=True)
    of_picture = np.split(by_first, starts[1:])
    for start in range(0, len(pictures), _PICTURES):
        block = slice(start, start + _PICTURES)
        whole = standardised(outlines[pictures[block]])
        parts = np.stack([standardised(vertical @ whole @ horizontal) for vertical, horizontal in cuts], axis=1)
        for mine, rows in zip(parts.reshape(len(whole), len(cuts), -1), of_picture[block], strict=True):
            theirs = standardised(outlines[pairs[rows, 1]])
            for turned, turn in zip(best, (1, -1), strict=True):
                turned[rows] = (mine @ theirs[:, :, ::turn].reshape(len(rows), -1).T).max(axis=0)
        advance(len(whole))
    return best


def _within_range(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> Floats:
    """Correlate where neither is black or white, since a change of brightness ends there: (pairs,)."""
    weights = ((first > _DARKEST) & (first < _BRIGHTEST) & (second > _DARKEST) & (second < _BRIGHTEST)).astype(
        np.float32
    )
    total = weights.sum(axis=(1, 2))
    # A picture in black and white only.
    few = total < _LEAST_SHARE * weights[0].size
    weights[few], total[few] = 1, weights[0].size
    centred = []
    for values in (first.astype(np.float32), second.astype(np.float32)):
        mean = np.einsum("nij,nij->n", values, weights) / total
        centred.append((values - mean[:, None, None]) * weights)
    one, other = centred
    variance = np.einsum("nij,nij->n", one, one) * np.einsum("nij,nij->n", other, other)
    found: Floats = np.einsum("nij,nij->n", one, other) / np.sqrt(np.maximum(variance, 1e-6))
    return found


def standardised(pictures: npt.NDArray[Any]) -> Floats:
    """Take off the mean and scale to length 1, so that brightness and contrast do not count."""
    values = pictures.astype(np.float32)
    centred = values - values.mean(axis=(1, 2), keepdims=True)
    lengths = np.sqrt(np.einsum("nij,nij->n", centred, centred))
    scaled: Floats = centred / np.maximum(lengths, 1e-6)[:, None, None]
    return scaled


def window_matrices(side: int, top: float, left: float, length: float) -> tuple[Floats, Floats]:
    """Make the matrices that enlarge a part of a picture to the whole of it, from the left and from the right."""
    return _resampling(side, top, top + length), _resampling(side, left, left + length).T


def _resampling(side: int, start: float, end: float) -> Floats:
    """Make the matrix that enlarges a part of a side to the whole of it, linearly: (side, side)."""
    places = side * (start + (np.arange(side) + 0.5) / side * (end - start)) - 0.5
    places = places.clip(0, side - 1)
    below = np.minimum(places.astype(np.int64), side - 2)
    weight = places - below
    matrix = np.zeros((side, side), np.float32)
    matrix[np.arange(side), below] = 1 - weight
    matrix[np.arange(side), below + 1] += weight
    return matrix
