"""The search space of a tuning job: the hyperparameters to tune and their ranges.

One definition serves SageMaker, Optuna on this machine and Weights & Biases sweeps; `slipway.tuning` converts it for
each of them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, product
from typing import Literal

from container.contract.errors import HyperparameterError
from container.contract.hyperparameters import HYPERPARAMETERS, Hyperparameter, TrainConfig, Value
from slipway.errors import SearchSpaceError

Scale = Literal["linear", "log"]

EPOCHS = "epochs"

# For a learning rate and a weight decay, ratios matter: 2e-5 is as far from 4e-5 as 4e-5 is from 8e-5. On a linear
# scale from 1e-5 to 1e-3, nine tenths of the samples would lie in the upper decade.
_BY_RATIO = ("opt-learning-rate", "opt-weight-decay")


_MOST_COMBINATIONS = 2000  # to check before a search: a job checks its own in any case


@dataclass(frozen=True, kw_only=True)
class NumberRange:
    """A range of numbers, including both ends."""

    low: float
    high: float
    scale: Scale = "linear"
    whole: bool = False
    """Whole numbers only."""

    def __str__(self) -> str:
        """The form that `parse_range` reads."""
        return f"{self.low:.15g}:{self.high:.15g}:{self.scale}"


@dataclass(frozen=True, kw_only=True)
class Choices:
    """A list of values."""

    values: tuple[Value, ...]

    def __str__(self) -> str:
        return ",".join(as_text(value) for value in self.values)


Range = NumberRange | Choices
SearchSpace = Mapping[str, Range]
"""Ranges by the hyperparameters' names."""

DEFAULT_SPACE: SearchSpace = {
    EPOCHS: NumberRange(low=20, high=40, whole=True),
    "batch-size": Choices(values=(16, 32, 64)),
    "opt-learning-rate": NumberRange(low=1e-5, high=1e-4, scale="log"),
    "opt-weight-decay": NumberRange(low=1e-5, high=1e-3, scale="log"),
}
"""The search space if the user gives no range."""


def as_text(value: Value) -> str:
    """Format a value as in hyperparameters.json."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_value(name: str, text: object) -> Value:
    """Parse a hyperparameter's value to its type, without a client's quotes; an unknown name's value stays text."""
    row = next((row for row in HYPERPARAMETERS if row.name == name), None)
    return row.parse(text) if row else str(text).strip('"')


def parse_range(text: str) -> tuple[str, Range]:
    """Parse `epochs=20:40`, `opt-learning-rate=1e-5:1e-4:log` or `batch-size=16,32,64`.

    Raises:
        SearchSpaceError: The text has another form.
        HyperparameterError: There is no such hyperparameter, or it may not have such a value.
    """
    name, equals, rest = text.partition("=")
    if not equals or not rest.strip():
        raise SearchSpaceError(
            f"the range {text!r} has no values; write NAME=LOW:HIGH, NAME=LOW:HIGH:log or NAME=VALUE,VALUE"
        )
    row = _row(name.strip())
    if ":" not in rest:
        return row.name, _choices(row, rest.split(","))
    low, high, *scale = (part.strip() for part in rest.split(":"))
    if scale not in ([], ["log"], ["linear"]):
        raise SearchSpaceError(
            f"the range {text!r} ends in {':'.join(scale)!r}; after LOW:HIGH goes log, linear or nothing"
        )
    return row.name, number_range(row.name, low, high, "log" if scale == ["log"] else "linear" if scale else None)


def number_range(name: str, low: object, high: object, scale: Scale | None = None) -> NumberRange:
    """Build a hyperparameter's range between two ends.

    Args:
        name: Name of the hyperparameter.
        low: The lower end.
        high: The upper end.
        scale: None: logarithmic for the learning rate and the weight decay, else linear.

    Raises:
        SearchSpaceError: The hyperparameter is not a number, or the ends are not in order.
        HyperparameterError: There is no such hyperparameter, or it may not have such a value.
    """
    row = _row(name)
    if row.type not in (int, float):
        raise SearchSpaceError(
            f"{name} is not a number and has no range; list its values: "
            f"{name}={'VALUE,VALUE' if row.form else row.range.replace(', ', ',')}"
        )
    start, end = float(row.parse(low)), float(row.parse(high))
    if start >= end:
        raise SearchSpaceError(
            f"the range of {name} begins at {start:.15g} and ends at {end:.15g}; the lower end goes first"
        )
    if scale == "log" and start <= 0:
        raise SearchSpaceError(f"the range of {name} begins at {start:.15g}, and only numbers above 0 have a logarithm")
    by_ratio = name in _BY_RATIO and start > 0
    return NumberRange(low=start, high=end, scale=scale or ("log" if by_ratio else "linear"), whole=row.type is int)


def choices(name: str, values: Sequence[object]) -> Choices:
    """Build a hyperparameter's list of values.

    Raises:
        SearchSpaceError: A value is there twice.
        HyperparameterError: There is no such hyperparameter, or it may not have such a value.
    """
    return _choices(_row(name), values)


def complete(space: SearchSpace, fixed: Mapping[str, object]) -> SearchSpace:
    """Choose the space to search: the given ranges, or the default ones without the fixed hyperparameters.

    Args:
        space: The user's ranges; empty for the default.
        fixed: Hyperparameters with a fixed value.

    Raises:
        SearchSpaceError: A hyperparameter is fixed and has a range, or nothing is left to search.
        HyperparameterError: Values do not go together.
    """
    if both := sorted(space.keys() & fixed.keys()):
        raise SearchSpaceError(f"{both[0]} has both a value and a range; leave one of them out")
    found = space or {name: entry for name, entry in DEFAULT_SPACE.items() if name not in fixed}
    if not found:
        raise SearchSpaceError("every hyperparameter has a fixed value, so nothing is left to tune; give a range")
    for values in extremes(found, fixed):
        TrainConfig.from_strings(values)
    return found


def extremes(space: SearchSpace, fixed: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Yield the hyperparameters of trials at the ends of the ranges and with the listed values: each of these values,
    then their combinations, of which there may be too many to yield all.

    Args:
        space: The search space.
        fixed: Hyperparameters with a fixed value.
    """
    ends = {name: [as_text(value) for value in _ends(entry)] for name, entry in space.items()}
    first = {name: values[0] for name, values in ends.items()}
    each = ({**first, name: value} for name, values in ends.items() for value in values)
    combined = (dict(zip(ends, values, strict=True)) for values in product(*ends.values()))
    for values in chain(each, islice(combined, _MOST_COMBINATIONS)):
        yield {**fixed, **values}


def require_choices(space: SearchSpace) -> int:
    """Count the points of a grid over the space.

    Raises:
        SearchSpaceError: A range is no list of values.
    """
    if numbers := [name for name, entry in space.items() if isinstance(entry, NumberRange)]:
        raise SearchSpaceError(
            f"the Grid strategy tries every combination of listed values, and {', '.join(numbers)} has a range; list "
            f"values, such as --range {numbers[0]}={_example(numbers[0], space)}, or fix one"
        )
    return math.prod(len(entry.values) for entry in space.values() if isinstance(entry, Choices))


def _example(name: str, space: SearchSpace) -> str:
    entry = space[name]
    assert isinstance(entry, NumberRange)
    middle = math.sqrt(entry.low * entry.high) if entry.scale == "log" else (entry.low + entry.high) / 2
    values = (entry.low, round(middle) if entry.whole else middle, entry.high)
    return ",".join(f"{value:.2g}" for value in values)


def _row(name: str) -> Hyperparameter:
    found = next((row for row in HYPERPARAMETERS if row.name == name), None)
    if found is None:
        # The table names the nearest one.
        TrainConfig.from_strings({name: ""})
        raise HyperparameterError(f"{name} is a key of SageMaker's own and cannot be tuned")
    return found


def _choices(row: Hyperparameter, values: Sequence[object]) -> Choices:
    parsed = tuple(row.parse(value.strip() if isinstance(value, str) else value) for value in values)
    if len(set(parsed)) < len(parsed):
        raise SearchSpaceError(f"a value of {row.name} is listed twice: {', '.join(map(as_text, parsed))}")
    return Choices(values=parsed)


def _ends(entry: Range) -> tuple[Value, ...]:
    if isinstance(entry, Choices):
        return entry.values
    kind = int if entry.whole else float
    return kind(entry.low), kind(entry.high)
