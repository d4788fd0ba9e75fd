"""A resource that can be deleted."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Kind = Literal[
    "running job", "scaling target", "endpoint", "endpoint configuration", "model", "log group", "log stream", "output"
]

ORDER: tuple[Kind, ...] = (
    "running job",
    "scaling target",
    "endpoint",
    "endpoint configuration",
    "model",
    "log group",
    "log stream",
    "output",
)
"""Order of deletion: what costs money first, and nothing before what uses it."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource that has Slipway's tag, or belongs to one that has."""

    kind: Kind
    name: str
    created: datetime
    detail: str = ""
    """Further information, such as the status or the number of objects."""
    costs_now: bool = False
    """Whether it costs money by the hour."""
    used_by: str = ""
    """Name of the endpoint that must be deleted first."""
    parameters: dict[str, str] = field(default_factory=dict)
    """Parameters of the call that deletes it."""
