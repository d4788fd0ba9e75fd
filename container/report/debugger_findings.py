"""The findings of the debugger's rules, as the training report shows them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from container.report.training_record import TrainingRecord

_MOST_FINDINGS = 20
"""Findings shown of each rule; the rest is counted."""

_CLASS = re.compile(r"\bclass (\d+)\b")


@dataclass(frozen=True, kw_only=True)
class RuleFindings:
    """The findings of one rule that fired."""

    rule: str
    advice: Sequence[str]
    """The remedies, each once."""
    rows: Sequence[Sequence[str]]
    """Step, tensor, value and finding of each."""
    omitted: int
    """Further findings."""


def summary_rows(record: TrainingRecord) -> list[tuple[str, str, str]]:
    """List name, status and remark of each rule; the remark of one that fired is the number of its findings."""
    return [(result.rule, result.status, _count(len(result.findings)) or result.message) for result in record.rules]


def rule_findings(record: TrainingRecord) -> list[RuleFindings]:
    """List the rules that fired, with their findings."""
    return [
        RuleFindings(
            rule=result.rule,
            advice=list(dict.fromkeys(_sentence(found["advice"]) for found in result.findings if found.get("advice"))),
            rows=[_row(found, record.classes) for found in result.findings[:_MOST_FINDINGS]],
            omitted=max(0, len(result.findings) - _MOST_FINDINGS),
        )
        for result in record.rules
        if result.findings
    ]


def _count(findings: int) -> str:
    return f"{findings:,} finding{'' if findings == 1 else 's'}" if findings else ""


def _row(found: Mapping[str, Any], classes: Sequence[str]) -> list[str]:
    # A version before this one wrote the finding and the advice as one message.
    what = str(found.get("what", found.get("message", "")))
    step = f"{found.get('mode', '')} {found.get('step', '')}".strip()
    return [step, str(found.get("tensor") or ""), _number(found.get("value")), _with_names(what, classes)]


def _number(value: object) -> str:
    """Write three digits of a number; an infinite one is saved as a text."""
    return f"{value:.3g}" if isinstance(value, int | float) else str(value or "")


def _with_names(text: str, classes: Sequence[str]) -> str:
    """Name the classes that a rule knows by their number only."""

    def name(match: re.Match[str]) -> str:
        number = int(match[1])
        return f"class “{classes[number]}”" if number < len(classes) else match[0]

    return _CLASS.sub(name, text)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
