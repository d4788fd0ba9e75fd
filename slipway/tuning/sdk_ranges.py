"""Converts the search space to the SageMaker SDK's form and back."""

from collections.abc import Mapping

from sagemaker.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter, ParameterRange

from slipway.errors import SearchSpaceError
from slipway.search_space import Choices, Range, SearchSpace, as_text, choices, number_range

_SCALING = {"linear": "Linear", "log": "Logarithmic"}


def to_sdk(entry: Range) -> ParameterRange:
    """Convert a range to HyperparameterTuner's form."""
    if isinstance(entry, Choices):
        return CategoricalParameter([as_text(value) for value in entry.values])
    scaling = _SCALING[entry.scale]
    if entry.whole:
        return IntegerParameter(int(entry.low), int(entry.high), scaling)
    return ContinuousParameter(entry.low, entry.high, scaling)


def check_ranges(ranges: Mapping[str, ParameterRange | Range]) -> SearchSpace:
    """Check a user's ranges, in either form, against the table of hyperparameters.

    Raises:
        SearchSpaceError: A range is invalid.
        HyperparameterError: There is no such hyperparameter, or it may not have such a value.
    """
    return {name: _check(name, entry) for name, entry in ranges.items()}


def _check(name: str, entry: ParameterRange | Range) -> Range:
    if isinstance(entry, Choices | CategoricalParameter):
        return choices(name, entry.values)
    if isinstance(entry, ContinuousParameter | IntegerParameter):
        scale = {"Logarithmic": "log", "Linear": "linear"}.get(entry.scaling_type)
        found = number_range(name, entry.min_value, entry.max_value, scale)  # type: ignore[arg-type]
        if not found.whole or isinstance(entry, IntegerParameter):
            return found
        raise SearchSpaceError(f"{name} is a whole number; give it an IntegerParameter, not a ContinuousParameter")
    return number_range(name, entry.low, entry.high, entry.scale)
