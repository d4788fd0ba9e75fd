"""What an analysis has to say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from container.page import Figure

Status = Literal["fired", "passed", "no data", "information"]
"""`information`: a table that judges nothing."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table below a finding; cells are texts, which the page escapes."""

    name: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart below a finding."""

    name: str
    """Part of its anchor."""
    figure: Figure
    description: str
    series: Sequence[str] = ()
    """Names for the legend, in the order of their colours."""


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to change, and what there is to gain."""

    text: str
    times_as_fast: float = 1.0
    """At best; 1 where nothing can be computed."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One analysis of a profile."""

    rule: str
    """SageMaker's name."""
    question: str
    """What is looked at, in one sentence."""
    status: Status
    measured: str
    """The figure, or why there is none."""
    threshold: str
    advice: Sequence[Advice] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    """Further figures by name."""

    @property
    def fired(self) -> bool:
        return self.status == "fired"


NO_GPU = "this job ran without a GPU"
"""Why a GPU's analysis has no data."""

NO_SAMPLES = "no system metrics were recorded while it trained"
NO_STEPS = "no steps were recorded"
