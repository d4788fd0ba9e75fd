"""The finding of an analysis, and the rule that it belongs to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from container.page import Figure

Status = Literal["fired", "passed", "no data", "information"]
"""`information`: tables only, without a judgement."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table below a finding; its cells are texts."""

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
    """A change to make, and what it can gain."""

    text: str
    times_as_fast: float = 1.0
    """At best; 1 if it cannot be computed."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The result of one analysis of a profile."""

    rule: str
    """SageMaker's name of the rule."""
    question: str
    """What the rule asks, in one sentence."""
    status: Status
    measured: str
    """The measurement, or why there is none."""
    threshold: str
    advice: Sequence[Advice] = ()
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    details: Mapping[str, str] = field(default_factory=dict)
    """Further measurements by name."""
    headline: str = ""
    """What the page's heading says, if this finding comes first; empty: the rule's name."""

    @property
    def gain(self) -> float:
        """How many times as fast the job would be by the best advice; 1 if that cannot be computed."""
        return max((advice.times_as_fast for advice in self.advice), default=1.0)

    @property
    def fired(self) -> bool:
        return self.status == "fired"


@dataclass(frozen=True)
class Rule:
    """A rule of SageMaker's, which makes the findings of its analysis."""

    name: str
    question: str
    threshold: str = "none: it does not fire"

    def finding(self, status: Status, measured: str, **parts: Any) -> Finding:
        """Make a finding; `parts` are its further fields."""
        return Finding(
            rule=self.name,
            question=self.question,
            status=status,
            measured=measured,
            threshold=self.threshold,
            **parts,
        )

    def judged(self, fired: bool, measured: str, **parts: Any) -> Finding:
        """Make a finding that fired or passed."""
        return self.finding("fired" if fired else "passed", measured, **parts)

    def no_data(self, why: str) -> Finding:
        """Make the finding of an analysis that lacks what it needs."""
        return self.finding("no data", why)


NO_GPU = "this job ran without a GPU"
"""Why an analysis of GPUs has no data."""

NO_SAMPLES = "no system metrics were recorded while it trained"
NO_STEPS = "no steps were recorded"
