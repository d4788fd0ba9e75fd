"""What rules find, and how a rule's judgement is written down."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

FORMAT_VERSION = 1
"""Of debug-findings.json."""


class Status(StrEnum):
    """SageMaker's words where it has them (RuleEvaluationStatus)."""

    ISSUES_FOUND = "IssuesFound"
    NO_ISSUES_FOUND = "NoIssuesFound"
    ERROR = "Error"
    INSUFFICIENT_DATA = "InsufficientData"


@dataclass(kw_only=True)
class Finding:
    """A tensor at the step at which a rule first fired for it."""

    step: int
    """Of the mode."""
    mode: str
    global_step: int
    """Of the trial, whose steps of all modes are counted together."""
    tensor: str | None
    value: float | None
    what: str
    """What was found: a clause."""
    advice: str
    """What to do: a clause."""
    times: int = 1
    last_step: int = 0
    """Of `last_mode`, at which it was found last."""
    last_mode: str = ""

    @property
    def message(self) -> str:
        """What was found and what to do."""
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
            "times": self.times,
            "last_step": self.last_step,
            "last_mode": self.last_mode,
        }


@dataclass(frozen=True, kw_only=True)
class Result:
    """A rule's judgement of a trial."""

    rule: str
    parameters: Mapping[str, Any]
    status: Status
    findings: Sequence[Finding] = ()
    message: str = ""
    """What is missing, went wrong, or could not be seen."""

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
    """All rules' results over one trial."""

    trial: str
    steps: int
    ended: bool
    """Whether training has said that it ended."""
    results: Sequence[Result]
    notes: Sequence[str] = field(default=())
    """What of the trial could not be read."""

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
        """0: nothing was found. 3: rules fired. 1: none did, but one could not be run."""
        statuses = {result.status for result in self.results}
        return 3 if Status.ISSUES_FOUND in statuses else 1 if Status.ERROR in statuses else 0
