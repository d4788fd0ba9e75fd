"""One thing that can be deleted."""

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
"""In which things are deleted: what costs money first, and nothing before what uses it."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """It carries our tag, or belongs to what does."""

    kind: Kind
    name: str
    created: datetime
    detail: str = ""
    """Such as the status, or how many objects there are."""
    costs_now: bool = False
    """Whether it costs money by the hour."""
    used_by: str = ""
    """The endpoint that must be gone first."""
    parameters: dict[str, str] = field(default_factory=dict)
    """What its deletion is called with."""
