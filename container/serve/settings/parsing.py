"""The reading of single settings from environment variables. It imports little, so that the health check is quick."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from container.contract.errors import ServeError
from container.contract.fields import Field

T = TypeVar("T")

TEXT = Field(str)
FLAG = Field(bool)


@dataclass(frozen=True)
class Variable(Generic[T]):
    """One setting."""

    names: tuple[str, ...]
    """The environment variables that set it; the first that is set counts."""
    default: str
    """The value if none of them is set, or a description of it."""
    field: Field[T]
    purpose: str
    """The purpose, as a sentence."""

    @property
    def meaning(self) -> str:
        """The purpose, and the range of the values if there is one."""
        return f"{self.purpose[:-1]}; {self.field.range}." if self.field.type in (int, float) else self.purpose


PORT = Variable(
    ("SAGEMAKER_BIND_TO_PORT",), "8080", Field(int, 0, 65535), "The public port; 0 takes any free one and logs it."
)
HOST = Variable(("SLIPWAY_HOST",), "0.0.0.0", TEXT, "The address that the public port is bound to.")  # noqa: S104 - a container's front door


class SettingsReader:
    """Reads settings from the environment. An empty value counts as unset: the SDK sets such ones."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment

    def found(self, variable: Variable[Any]) -> tuple[str, str]:
        """Return the name that is set and its value, or the first name and the default."""
        for name in variable.names:
            if value := self._environment.get(name, "").strip():
                return name, value
        return variable.names[0], variable.default

    def is_set(self, variable: Variable[Any]) -> bool:
        return any(self._environment.get(name, "").strip() for name in variable.names)

    def read(self, variable: Variable[T]) -> T:
        """Return the value that is set, or the default.

        Raises:
            ServeError: The value is not allowed; the message names the variable, the value, and what is allowed.
        """
        name, value = self.found(variable)
        return variable.field.read(value, name, ServeError)

    def given(self, variable: Variable[T]) -> T | None:
        """Return the value that is set; None if the default applies.

        Raises:
            ServeError: As `read`.
        """
        return self.read(variable) if self.is_set(variable) else None
