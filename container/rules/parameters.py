"""A rule's parameters: a frozen dataclass whose fields are read from text, as SageMaker hands them over."""

import dataclasses
import difflib
import math
import re
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_type_hints

from container.errors import RuleError

Parameters = TypeVar("Parameters")

_KINDS = {
    float: "a number",
    int: "a whole number",
    bool: "True or False",
    str: "text",
    tuple: "a comma-separated list",
}


def parameter(default: Any, help: str, **limits: Any) -> Any:
    """A field: its default, what it does, and `low`, `high`, `choices` or `patterns` where there are limits."""
    return dataclasses.field(default=default, metadata={"help": help, **limits})


def fields_of(kind: type) -> "tuple[dataclasses.Field[Any], ...]":
    """The parameters of a dataclass, in order."""
    return dataclasses.fields(kind)


def names_of(kind: type) -> list[str]:
    """Their names."""
    return [field.name for field in fields_of(kind)]


def parse(rule: str, kind: type[Parameters], given: Mapping[str, object]) -> Parameters:
    """Make a rule's parameters of what was given for it.

    Raises:
        RuleError: A name is unknown, or a value is of the wrong kind or out of range.
    """
    fields = {field.name: field for field in fields_of(kind)}
    for name in given:
        if name not in fields:
            raise RuleError(f"{rule} has no parameter {name}; {nearest(name, fields, 'it has')}")
    hints = get_type_hints(kind)
    return kind(**{name: _value(rule, fields[name], hints[name], value) for name, value in given.items()})


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """What was meant, or what there is: the end of a sentence."""
    names = list(known)
    spelled = {_plain(one): one for one in names}
    found = difflib.get_close_matches(_plain(name), spelled, n=1)
    return f"did you mean {spelled[found[0]]}?" if found else f"{otherwise} {', '.join(names) or 'none'}"


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _value(rule: str, field: "dataclasses.Field[Any]", hint: Any, given: object) -> Any:
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    kind = next(one for one in kinds if one is not NoneType)
    if kind not in (float, int, bool, str):
        kind = tuple
    text = str(given).strip()
    if NoneType in kinds and text in ("", "None"):
        return None
    value = _convert(kind, text)
    limits = field.metadata
    if value is None or not _allowed(value, limits):
        between = [
            f"from {limits['low']}" if "low" in limits else "",
            f"to {limits['high']}" if "high" in limits else "",
        ]
        range_ = f" ({' '.join(filter(None, between))})" if any(between) else ""
        what = "one of " + ", ".join(limits["choices"]) if "choices" in limits else _KINDS[kind] + range_
        raise RuleError(f"the parameter {field.name} of {rule} is {text!r}; it must be {what}")
    for pattern in value if limits.get("patterns") and isinstance(value, tuple) else ():
        try:
            re.compile(pattern)
        except re.error as error:
            raise RuleError(
                f"the parameter {field.name} of {rule} has {pattern!r}, which is no regular expression: {error}"
            ) from error
    return value


def _convert(kind: type, text: str) -> Any:
    if kind is str:
        return text
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower())
    if kind is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number) or (kind is int and number != int(number)):
        return None
    return kind(number)


def _allowed(value: Any, limits: Mapping[str, Any]) -> bool:
    if "choices" in limits:
        return value in limits["choices"]
    if isinstance(value, bool | str | tuple):
        return True
    return bool(limits.get("low", -math.inf) <= value <= limits.get("high", math.inf))
