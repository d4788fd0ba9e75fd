"""Checks a request against the lengths, ranges and patterns in botocore's service model, before it is sent.

botocore itself checks only that members exist and have the right types; SageMaker would refuse the rest.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from slipway.errors import SettingError

_NAMES = re.compile(
    r"\[a-zA-Z0-9\]\(-\*\[a-zA-Z0-9\]\)\{0,\d+\}|" + re.escape(r"[a-zA-Z0-9]([\-a-zA-Z0-9]*[a-zA-Z0-9])?")
)
"""The patterns of most names."""
_IN_WORDS = "letters, digits and hyphens, with a letter or digit at both ends"


def check_request(operation: str, shape: Any, parameters: Mapping[str, Any]) -> None:
    """Check the parameters of one call.

    Enumerations are not checked, because AWS adds instance types faster than botocore is upgraded.

    Args:
        operation: Name of the operation, such as CreateTrainingJob.
        shape: botocore's shape of its input.
        parameters: As botocore's client takes them.

    Raises:
        SettingError: A value is too long, too short, out of range, or does not match its pattern.
    """
    _check(operation, "", shape, parameters)


def _check(operation: str, path: str, shape: Any, value: Any) -> None:
    if shape.type_name == "structure" and isinstance(value, Mapping):
        for name, one in value.items():
            if name in shape.members and one is not None:
                _check(operation, f"{path}.{name}" if path else name, shape.members[name], one)
        return
    refused = _refused(shape, value)
    if refused:
        raise SettingError(f"{operation} would be refused: {path} is {value!r}; {refused}")
    if shape.type_name == "list" and isinstance(value, Sequence):
        for position, one in enumerate(value):
            _check(operation, f"{path}[{position}]", shape.member, one)
    elif shape.type_name == "map" and isinstance(value, Mapping):
        for name, one in value.items():
            _check(operation, f"the name in {path}", shape.key, name)
            _check(operation, f"{path}[{name!r}]", shape.value, one)


def _refused(shape: Any, value: Any) -> str | None:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if isinstance(value, str):
        return _refused_text(shape.metadata.get("pattern"), least, most, value)
    number = len(value) if isinstance(value, Sequence | Mapping) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    unit = " entries" if isinstance(value, Sequence | Mapping) else ""
    if least is not None and number < least:
        return f"the least is {least}{unit}"
    if most is not None and number > most:
        return f"the most is {most}{unit}"
    return None


def _refused_text(pattern: str | None, least: int | None, most: int | None, value: str) -> str | None:
    if most is not None and len(value) > most:
        return f"it has {len(value)} characters, and {most} is the most"
    if least is not None and len(value) < least:
        return f"it has {len(value)} characters, and {least} is the least"
    if pattern is None:
        return None
    try:
        found = re.fullmatch(pattern, value, re.DOTALL)
    except re.error:
        # Some use Unicode classes, which Python's expressions lack.
        return None
    if found:
        return None
    return f"it may have only {_IN_WORDS}" if _NAMES.fullmatch(pattern) else f"it must match {pattern}"
