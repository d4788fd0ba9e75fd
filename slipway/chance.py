"""Tells whether two models differ on their test pictures by more than chance would make them.

Models that were tested on the same pictures are compared picture by picture, by McNemar's exact test: of the pictures
that only one of the two classified correctly, each would have about half if they were equally good ("Note on the
sampling error of the difference between correlated proportions or percentages", McNemar, 1947). Where only the numbers
of pictures are known, Fisher's exact test compares those, which needs a larger difference.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PREDICTIONS = "test_predictions.csv"
"""The file of a job's output data: columns picture, true and predicted, a row for each test picture."""

_LEVEL = 0.05
"""Probability of naming a winner among models that are equally good."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The test of a model: how many pictures it classified correctly, and if known, which."""

    correct: int
    total: int
    pictures: tuple[tuple[str, str], ...] = ()
    """Name and true class of each picture; empty if not known."""
    right: tuple[bool, ...] = ()
    """Whether each picture was classified correctly."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The most accurate of several models, and which others may be as good."""

    best: str
    equals: tuple[str, ...]
    """Models whose difference from the best may be chance."""
    others: int
    """The number of models that it was compared with."""
    pictures: int
    """Test pictures of the best model."""

    @property
    def winner(self) -> str | None:
        """The best model, if it is better than every other by more than chance."""
        return None if self.equals else self.best

    @property
    def summary(self) -> str:
        """Say which difference the pictures show, as a sentence without a full stop."""
        pictures = f"these {self.pictures:,} pictures"
        if not self.equals:
            return f"{self.best} is the most accurate"
        if len(self.equals) == self.others:
            return f"No difference that {pictures} can show"
        return f"No difference that {pictures} can show between {self.best} and {', '.join(self.equals)}"


def judge(tested: Mapping[str, Scored]) -> Verdict | None:
    """Find the most accurate model, and the others that may be as good; None without any."""
    if not tested:
        return None
    best = max(tested, key=lambda name: tested[name].correct / max(1, tested[name].total))
    others = {name: each for name, each in tested.items() if name != best}
    return Verdict(
        best=best,
        equals=tuple(indistinguishable(tested[best], others)),
        others=len(others),
        pictures=tested[best].total,
    )


def indistinguishable(best: Scored, others: Mapping[str, Scored]) -> list[str]:
    """List the models whose difference from the best may be chance.

    The level of 5 % is divided by the number of comparisons (Bonferroni), so that many models do not yield a winner by
    chance. A model that is better on these pictures is listed too, however large the difference.
    """
    return [
        name
        for name, other in others.items()
        if p_value(best, other) > _LEVEL / len(others) or other.correct * best.total > best.correct * other.total
    ]


def p_value(one: Scored, other: Scored) -> float:
    """Compute how probable a difference of this size or larger is between equally good models, in either direction."""
    if one.pictures and one.pictures == other.pictures:
        only_one = sum(a and not b for a, b in zip(one.right, other.right, strict=True))
        only_other = sum(b and not a for a, b in zip(one.right, other.right, strict=True))
        return _binomial(min(only_one, only_other), only_one + only_other)
    return _fisher(one, other)


def read_predictions(text: str) -> Scored:
    """Read test_predictions.csv.

    Raises:
        ValueError: It has other columns, or none.
    """
    rows = list(csv.DictReader(text.splitlines()))
    if not rows or not {"picture", "true", "predicted"} <= rows[0].keys():
        raise ValueError(f"{PREDICTIONS} has no rows with picture, true and predicted")
    right = tuple(row["true"] == row["predicted"] for row in rows)
    pictures = tuple((row["picture"], row["true"]) for row in rows)
    return Scored(correct=sum(right), total=len(right), pictures=pictures, right=right)


def _binomial(few: int, total: int) -> float:
    """Compute twice the probability of at most `few` heads among `total` tosses of a coin, at most 1."""
    chances = (math.exp(_choose(total, heads) - total * math.log(2)) for heads in range(few + 1))
    return min(1.0, 2 * math.fsum(chances))


def _fisher(one: Scored, other: Scored) -> float:
    """Sum the probabilities of all splits of the correct pictures that are at most as probable as the one found."""
    correct, total = one.correct + other.correct, one.total + other.total
    whole = _choose(total, correct)
    possible: Sequence[float] = [
        math.exp(_choose(one.total, mine) + _choose(other.total, correct - mine) - whole)
        for mine in range(max(0, correct - other.total), min(one.total, correct) + 1)
    ]
    found = possible[one.correct - max(0, correct - other.total)]
    return min(1.0, math.fsum(chance for chance in possible if chance <= found * (1 + 1e-9)))


def _choose(total: int, chosen: int) -> float:
    """Compute the logarithm of the binomial coefficient."""
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)
