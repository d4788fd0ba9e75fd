"""The parameters of a rule: a frozen dataclass whose fields are read from text, as SageMaker passes them."""

import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from container.contract.errors import RuleError
from container.contract.fields import Field

Parameters = TypeVar("Parameters")


def fields_of(kind: type) -> "tuple[dataclasses.Field[Any], ...]":
    """Return the parameters of a rule's dataclass, in order."""
    return dataclasses.fields(kind)


def names_of(kind: type) -> list[str]:
    """Return their names."""
    return [field.name for field in fields_of(kind)]


def parse(rule: str, kind: type[Parameters], given: Mapping[str, object]) -> Parameters:
    """Read a rule's parameters from the given values.

    Raises:
        RuleError: A name is unknown, or a value has the wrong type or is out of range.
    """
    fields = {field.name: field for field in fields_of(kind)}
    for name in given:
        if name not in fields:
            raise RuleError(f"{rule} has no parameter {name}; {nearest(name, fields, 'it has')}")
    hints = get_type_hints(kind)
    return kind(**{name: _value(rule, fields[name], hints[name], value) for name, value in given.items()})


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return the end of a sentence: the name that was probably meant, or else all known ones."""
    names = list(known)
    spelled = {_plain(one): one for one in names}
    found = difflib.get_close_matches(_plain(name), spelled, n=1)
    return f"did you mean {spelled[found[0]]}?" if found else f"{otherwise} {', '.join(names) or 'none'}"


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _value(rule: str, field: "dataclasses.Field[Any]", hint: Any, given: object) -> Any:
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if NoneType in kinds and str(given).strip() in ("", "None"):
        return None
    kind = next(get_origin(one) or one for one in kinds if one is not NoneType)
    limits = {name: limit for name, limit in field.metadata.items() if name not in ("help", "patterns")}
    name = f"the parameter {field.name} of {rule}"
    value = Field(kind, **limits).read(given, name, RuleError)
    for pattern in value if field.metadata.get("patterns") else ():
        try:
            re.compile(pattern)
        except re.error as error:
            raise RuleError(f"{name} has {pattern!r}, which is not a regular expression: {error}") from error
    return value
