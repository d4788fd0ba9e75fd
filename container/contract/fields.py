"""Typed fields with ranges: hyperparameters, the parameters of rules, and the server's settings.

Their values arrive as text. A value that does not fit raises an error that names the field, the value and what is
allowed. Imports little: the health check reads its settings with this every few seconds.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from container.contract.errors import UserError

T = TypeVar("T")

_KINDS: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    tuple: "a comma-separated list",
}
_FLAGS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True)
class Field(Generic[T]):
    """The type of a field, and which of its values are allowed."""

    type: type[T]
    """int, float, bool, str, or tuple for a comma-separated list."""
    low: float | None = None
    high: float | None = None
    above: float | None = None
    """Exclusive lower bound, where `low` would be wrong."""
    choices: tuple[str, ...] = ()
    """The words that are allowed, read in any case."""
    form: Callable[[str], bool] | None = None
    """Which words are allowed where there are too many to list; read in any case."""
    described: str = ""
    """What `form` allows, as a table shows it."""
    unit: str = ""
    """Name of the unit in messages, such as "seconds"."""

    @property
    def range(self) -> str:
        """The allowed values, as a table shows them; empty if there is no limit."""
        if self.form:
            return self.described
        if self.choices:
            return ", ".join(self.choices)
        if self.type is bool:
            return "true, false"
        if self.low is not None and self.high is not None:
            return f"{self.low:.15g} to {self.high:.15g}"
        limits = {"above": self.above, "at least": self.low, "up to": self.high}
        return ", ".join(f"{name} {limit:.15g}" for name, limit in limits.items() if limit is not None)

    @property
    def allowed(self) -> str:
        """Describe the allowed values, as the end of "it must be"."""
        if self.form:
            return self.described
        if self.choices:
            return " or ".join(self.choices) if len(self.choices) == 2 else f"one of {self.range}"
        kind = _KINDS[self.type] + (f" of {self.unit}" if self.unit else "")
        if self.type is bool or not self.range:
            return kind
        return f"{kind} from {self.range}" if self.range[0] in "-0123456789" else f"{kind}, {self.range}"

    def read(self, value: object, name: str, error: Callable[[str], UserError], *, given: object = None) -> T:
        """Read a value from its text.

        Args:
            value: The text, or a value whose text is read.
            name: What the message calls the field.
            error: The type of error to raise.
            given: The value as it was given, for the message; None: it is `value`.

        Raises:
            UserError: The value is not of the type, or not allowed.
        """
        text = str(value).strip()
        parsed = None if isinstance(value, bool) and self.type is not bool else self._parse(text)
        if parsed is None or not self._is_within(parsed):
            raise error(f"{name} is {(text if given is None else given)!r}; it must be {self.allowed}")
        return parsed  # type: ignore[no-any-return]

    def _parse(self, text: str) -> Any:
        if self.choices:
            return {choice.lower(): choice for choice in self.choices}.get(text.lower())
        if self.form:
            return text.lower() if self.form(text.lower()) else None
        if self.type is bool:
            return _FLAGS.get(text.lower())
        if self.type is str:
            return text
        if self.type is tuple:
            return tuple(part.strip() for part in text.split(",") if part.strip())
        return self._number(text)

    def _number(self, text: str) -> float | None:
        try:
            number = float(text) if text.isascii() and "_" not in text else math.nan
        except ValueError:
            return None
        if not math.isfinite(number):
            return None
        if self.type is float:
            return number
        return int(number) if number.is_integer() else None

    def _is_within(self, value: Any) -> bool:
        if self.type not in (int, float):
            return True
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
        )


def declare(default: Any, help: str, **limits: Any) -> Any:
    """Declare a field of a dataclass: its default, what it does, and its limits by the names of `Field`."""
    return dataclasses.field(default=default, metadata={"help": help, **limits})
