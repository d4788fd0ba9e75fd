"""Checks a tuning job's ranges, Slipway's and those of either SDK."""

from collections.abc import Mapping
from typing import Any

from slipway.errors import SearchSpaceError
from slipway.requests.search_space import Choices, NumberRange, Range, SearchSpace, choices, number_range

Ranges = Mapping[str, Any]
"""Slipway's ranges, or the SDK's ContinuousParameter, IntegerParameter and CategoricalParameter, by name."""


def check_ranges(ranges: Ranges) -> SearchSpace:
    """Check a user's ranges against the table of hyperparameters.

    Raises:
        SearchSpaceError: A range is invalid.
        HyperparameterError: There is no such hyperparameter, or it may not have such a value.
    """
    return {name: _check(name, entry) for name, entry in ranges.items()}


def _check(name: str, entry: Any) -> Range:
    kind = getattr(entry, "__name__", None)  # of the SDK's classes
    if isinstance(entry, Choices) or kind == "Categorical":
        return choices(name, entry.values)
    if isinstance(entry, NumberRange):
        return number_range(name, entry.low, entry.high, entry.scale)
    if kind not in ("Continuous", "Integer"):
        raise SearchSpaceError(
            f"the range of {name} is {entry!r}; give one of slipway.requests.search_space, such as "
            f'dict([parse_range("{name}=VALUES")]), or of the SDK'
        )
    scale = {"Logarithmic": "log", "Linear": "linear"}.get(entry.scaling_type)
    found = number_range(name, entry.min_value, entry.max_value, scale)  # type: ignore[arg-type]
    if not found.whole or kind == "Integer":
        return found
    raise SearchSpaceError(f"{name} is a whole number; give it an IntegerParameter, not a ContinuousParameter")
