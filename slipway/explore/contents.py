"""What the pictures show: near-duplicates, probable label errors, outliers, overlapping classes, and a map."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from container.contract.networks import EMBEDDING
from container.explore.outline import stack
from slipway.explore.embedding import Embedded, embed
from slipway.explore.findings import Remark
from slipway.explore.label_check import Features, Judgement, judge
from slipway.explore.near_duplicates import find_pairs, passes
from slipway.explore.neighbours import principal_components, unit
from slipway.explore.scan import Dataset, Picture

Advance = Callable[[int, int], None]
Bar = Callable[[str], AbstractContextManager[Advance]]
"""Shows how far the work that it is given the name of has come, such as `slipway.terminal.console.progress_bar`."""

_DIMENSIONS = 128
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class PicturePair:
    """Two files that show the same, but whose pixels differ."""

    pictures: tuple[Picture, Picture]
    correlation: float
    """Correlation of the grey values, at most 1."""
    mirrored: bool

    @property
    def leaks(self) -> bool:
        """Whether the two are in different splits."""
        return self.pictures[0].split != self.pictures[1].split

    @property
    def contradicts(self) -> bool:
        """Whether the two are in different classes."""
        return self.pictures[0].label != self.pictures[1].label


@dataclass(frozen=True, kw_only=True)
class WrongLabel:
    """A picture whose label is probably wrong."""

    picture: Picture
    suggestion: str
    """The class that it probably has."""
    margin: float
    """Probability of the suggestion less that of the label, from 0 to 1."""
    like: Picture | None
    """The most similar picture of the suggested class."""


@dataclass(frozen=True, kw_only=True)
class Outlier:
    """A picture that is like no other."""

    picture: Picture
    factor: float
    """How many times farther it is from its nearest neighbours than the median picture."""


@dataclass(frozen=True, kw_only=True)
class OverlappingClasses:
    """Two classes that are taken for each other."""

    labels: tuple[str, str]
    mistaken: int
    share: float


@dataclass(frozen=True, kw_only=True)
class Contents:
    """All that was found by looking at the pictures."""

    by: str
    """The pictures' features, in words."""
    without: str
    """Why there are no embeddings; empty if there are."""
    accuracy: float | None
    """Share of the labels that the features predict; None if there are too few pictures."""
    pairs: tuple[PicturePair, ...] = ()
    """Across splits first, then across classes, then the most similar."""
    wrong_labels: tuple[WrongLabel, ...] = ()
    outliers: tuple[Outlier, ...] = ()
    overlaps: tuple[OverlappingClasses, ...] = ()
    features: npt.NDArray[np.float32] | None = None
    """Rows of length 1 by picture, (N, D), of the kind that predicts the labels best."""

    def remarks(self) -> list[Remark]:
        """Sum up what was found, for the summary."""
        found: list[Remark] = []
        leaks = sum(pair.leaks for pair in self.pairs)
        if leaks:
            text = f"{leaks:,} near-duplicate pairs are in different splits: results measured on them are too good."
            found.append(Remark(level="problem", text=text))
        if rest := len(self.pairs) - leaks:
            found.append(Remark(level="notice", text=f"{rest:,} near-duplicate pairs are within one split."))
        if self.wrong_labels:
            found.append(Remark(level="notice", text=f"{len(self.wrong_labels):,} labels are probably wrong."))
        if self.outliers:
            found.append(Remark(level="notice", text=f"{len(self.outliers):,} pictures are unlike the others."))
        for each in self.overlaps[:_NAMED]:
            first, second = each.labels
            found.append(
                Remark(
                    level="notice",
                    text=f"{first} and {second} overlap: {each.mistaken:,} pictures are taken for the other class.",
                )
            )
        if self.without:
            found.append(Remark(level="notice", text=f"Pictures were compared by their pixels only: {self.without}."))
        return found


def look_at(
    dataset: Dataset,
    *,
    network: str = EMBEDDING,
    weights: Path | None = None,
    embeddings: bool = True,
    bar: Bar = lambda description: nullcontext(lambda done, total: None),
) -> Contents:
    """Compare all pictures of a data set with each other.

    Args:
        dataset: From `scan`.
        network: The hyperparameter model-type of the network that embeds them.
        weights: A file of its weights; None: those that are found.
        embeddings: False: compare pictures by their pixels only.
        bar: Entered for embedding and for comparing.

    Raises:
        JobError: The weights or the network that were asked for cannot be used.
    """
    embedded = Embedded(None, "embeddings were not asked for")
    if embeddings and len(dataset.pictures) > 1:
        paths = [picture.path for picture in dataset.pictures]
        with bar("embedding pictures") as advance:
            embedded = embed(paths, network=network, weights=weights, advance=advance)
    with bar("comparing pictures") as advance:
        return compare(dataset, embedded, advance)


def compare(dataset: Dataset, embedded: Embedded, advance: Advance = lambda done, total: None) -> Contents:
    """Compare all pictures of a data set with each other, by their outlines and their embeddings.

    Args:
        dataset: From `scan`.
        embedded: A row for each of its pictures, in their order.
        advance: Called with how many pictures' share of the work is done, and the number of pictures.
    """
    pictures = dataset.pictures
    if len(pictures) < 2:
        return Contents(by="", without="there are too few pictures", accuracy=None)
    vectors, text = embedded.vectors, embedded.text
    outlines = stack([picture.outline for picture in pictures])
    kinds = [Features("their pixels, shrunk", _projected(outlines.features()))]
    if vectors is not None:
        kinds.append(Features(f"features of {text}", _projected(vectors)))
    compared = _Progress(advance, len(pictures), passes(embeddings=vectors is not None) + len(kinds))
    pairs = find_pairs(outlines.grey, unit(kinds[-1].values) if vectors is not None else None, compared)
    labels = sorted({picture.label for picture in pictures})
    indices = {label: index for index, label in enumerate(labels)}
    numbers = np.array([indices[picture.label] for picture in pictures], np.int64)
    judged = judge(kinds, numbers, len(labels), compared)
    return Contents(
        by=judged.features.name if judged else "",
        without="" if vectors is not None else text,
        accuracy=judged.accuracy if judged else None,
        pairs=_picture_pairs(pictures, [(pair.first, pair.second, pair.correlation, pair.mirrored) for pair in pairs]),
        features=unit(judged.features.values if judged else kinds[-1].values),
        **(_of_judgement(judged, pictures, labels) if judged else {}),
    )


class _Progress:
    """Counts rows that were compared in one of several passes, and tells them as pictures."""

    def __init__(self, advance: Advance, pictures: int, passes: int) -> None:
        self._advance = advance
        self._pictures = pictures
        self._passes = passes
        self._rows = 0

    def __call__(self, rows: int) -> None:
        self._rows += rows
        self._advance(self._rows // self._passes, self._pictures)


def _projected(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return principal_components(values, min(_DIMENSIONS, values.shape[1])).project(values)


def _picture_pairs(
    pictures: Sequence[Picture], found: Sequence[tuple[int, int, float, bool]]
) -> tuple[PicturePair, ...]:
    pairs = [
        PicturePair(pictures=(pictures[first], pictures[second]), correlation=correlation, mirrored=mirrored)
        for first, second, correlation, mirrored in found
        # Equal pixels are duplicates, which `examine` lists.
        if pictures[first].pixel_digest != pictures[second].pixel_digest
    ]
    return tuple(sorted(pairs, key=lambda pair: (not pair.leaks, not pair.contradicts)))


def _of_judgement(judged: Judgement, pictures: Sequence[Picture], labels: Sequence[str]) -> dict[str, Any]:
    errors = judged.errors
    return {
        "wrong_labels": tuple(
            WrongLabel(
                picture=pictures[index],
                suggestion=labels[suggested],
                margin=margin,
                like=pictures[like] if (like := int(judged.nearest[index])) >= 0 else None,
            )
            for index, suggested, margin in zip(
                errors.indices.tolist(), errors.suggested.tolist(), errors.margins.tolist(), strict=True
            )
        ),
        "outliers": tuple(
            Outlier(picture=pictures[index], factor=float(judged.distances[index]))
            for index in judged.outliers.tolist()
        ),
        "overlaps": tuple(
            OverlappingClasses(
                labels=(labels[each.first], labels[each.second]), mistaken=each.mistaken, share=each.share
            )
            for each in judged.overlaps
        ),
    }
