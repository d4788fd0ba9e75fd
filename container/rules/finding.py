"""The findings and results of rules, and their form in JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

FORMAT_VERSION = 1
"""The version of debug-findings.json."""


class Status(StrEnum):
    """The status of a rule, in SageMaker's words if it has them (RuleEvaluationStatus)."""

    ISSUES_FOUND = "IssuesFound"
    NO_ISSUES_FOUND = "NoIssuesFound"
    ERROR = "Error"
    INSUFFICIENT_DATA = "InsufficientData"


@dataclass(kw_only=True)
class RuleFinding:
    """A tensor at the step at which a rule first fired for it."""

    step: int
    """The step, counted within its mode."""
    mode: str
    global_step: int
    """The step, counted over all modes of the trial."""
    tensor: str | None
    value: float | None
    what: str
    """The finding, as a clause."""
    advice: str
    """The remedy, as a clause."""
    times: int = 1
    last_step: int = 0
    """The step of `last_mode` at which it was last found."""
    last_mode: str = ""

    @property
    def message(self) -> str:
        """The finding, and what to do about it."""
        return f"{self.what}; {self.advice}" if self.advice else self.what

    def to_json(self) -> dict[str, Any]:
        value = str(self.value) if self.value is not None and not math.isfinite(self.value) else self.value
        return {
            "step": self.step,
            "mode": self.mode,
            "global_step": self.global_step,
            "tensor": self.tensor,
            "value": value,
            "message": self.message,
            "what": self.what,
            "advice": self.advice,
            "times": self.times,
            "last_step": self.last_step,
            "last_mode": self.last_mode,
        }


@dataclass(frozen=True, kw_only=True)
class RuleEvaluation:
    """The result of one rule over a trial."""

    rule: str
    parameters: Mapping[str, Any]
    status: Status
    findings: Sequence[RuleFinding] = ()
    message: str = ""
    """The reason for an error, missing data, or a remark."""

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "parameters": dict(self.parameters),
            "status": str(self.status),
            "findings": [finding.to_json() for finding in self.findings],
            "message": self.message,
        }


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The results of all rules over one trial."""

    trial: str
    steps: int
    ended: bool
    """Whether the trial is marked as ended."""
    results: Sequence[RuleEvaluation]
    notes: Sequence[str] = field(default=())
    """Parts of the trial that could not be read."""

    def to_json(self) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "trial": self.trial,
            "steps": self.steps,
            "ended": self.ended,
            "notes": list(self.notes),
            "rules": [result.to_json() for result in self.results],
        }

    @property
    def exit_code(self) -> int:
        """Exit code: 0 nothing was found, 3 rules fired, 1 none fired but one could not be run."""
        statuses = {result.status for result in self.results}
        return 3 if Status.ISSUES_FOUND in statuses else 1 if Status.ERROR in statuses else 0
