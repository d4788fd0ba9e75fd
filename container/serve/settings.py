"""Reading single settings from environment variables. Only this, so that the health check can do it quickly."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from container.errors import ServeError

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Variable:
    """One setting: the names it goes by (the first that is set counts), its default, what it means."""

    names: tuple[str, ...]
    default: str
    meaning: str


PORT = Variable(("SAGEMAKER_BIND_TO_PORT",), "8080", "The public port; 0 takes any free one and logs it.")
HOST = Variable(("SLIPWAY_HOST",), "0.0.0.0", "The address that the public port is bound to.")  # noqa: S104 - a container's front door


class Settings:
    """The environment, by `Variable`. An empty value counts as none: the SDK sets such ones."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    def found(self, variable: Variable) -> tuple[str, str]:
        """The name that is set and its value, or the first name and the default."""
        for name in variable.names:
            if value := self._environment.get(name, "").strip():
                return name, value
        return variable.names[0], variable.default

    def is_set(self, variable: Variable) -> bool:
        return any(self._environment.get(name, "").strip() for name in variable.names)

    def text(self, variable: Variable) -> str:
        return self.found(variable)[1]

    def integer(self, variable: Variable, lowest: int, highest: int, default: int | None = None) -> int:
        if default is not None and not self.is_set(variable):
            return default
        name, value = self.found(variable)
        try:
            number = int(value)
        except ValueError:
            number = lowest - 1
        if not lowest <= number <= highest:
            raise ServeError(f"{name} is {value!r}; it must be a whole number from {lowest} to {highest}")
        return number

    def choice(self, variable: Variable, choices: Mapping[str, Choice]) -> Choice:
        """What one of a few words stands for, in whatever case it is written."""
        name, value = self.found(variable)
        if value.lower() not in choices:
            raise ServeError(f"{name} is {value!r}; it must be {' or '.join(choices)}")
        return choices[value.lower()]

    def number(self, variable: Variable, lowest: float, highest: float) -> float:
        name, value = self.found(variable)
        try:
            number = float(value)
        except ValueError:
            number = lowest - 1
        if not lowest <= number <= highest:
            raise ServeError(f"{name} is {value!r}; it must be a number of seconds from {lowest} to {highest}")
        return number
