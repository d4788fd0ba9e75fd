"""Findings and results as text, for a terminal or a log."""

from collections.abc import Iterator

from container.rules.definitions import RULES
from container.rules.finding import Judgement, RuleEvaluation, RuleFinding, Status
from container.rules.parameters import fields_of

MOST = 5
"""The number of findings shown of each rule; --json has all."""


def finding_line(rule: str, finding: RuleFinding) -> str:
    """Format a finding: `VanishingGradient  TRAIN step 12  gradient/ResNet_conv1.weight  …`."""
    tensor = f"  {finding.tensor}" if finding.tensor else ""
    return f"{rule}  {finding.mode} step {finding.step}{tensor}  {finding.what}"


def summary(judgement: Judgement) -> Iterator[str]:
    """Yield the lines of a table of rules, then the findings and what to do about them."""
    how = "" if judgement.ended else "; training has not ended, or was cut off; the steps so far were judged"
    yield f"{judgement.trial}: {judgement.steps:,} saved steps{how}"
    for note in judgement.notes:
        yield f"Note: {note}"
    yield ""
    width = max(len(result.rule) for result in judgement.results)
    for result in judgement.results:
        yield f"{result.rule:{width}}  {result.status:16}  {_about(result)}".rstrip()
    for result in judgement.results:
        if result.findings:
            yield ""
            yield from _findings(result)


def _about(result: RuleEvaluation) -> str:
    if result.findings:
        count = len(result.findings)
        return f"{count:,} finding{'' if count == 1 else 's'}"
    return result.message


def _findings(result: RuleEvaluation) -> Iterator[str]:
    yield f"{result.rule}:"
    advice: dict[str, None] = {}
    for finding in result.findings:
        advice.setdefault(finding.advice)
    for finding in result.findings[:MOST]:
        tensor = f"{finding.tensor}: " if finding.tensor else ""
        last = f" (at {finding.times:,} steps, the last {finding.last_mode} step {finding.last_step})"
        again = last if finding.times > 1 else ""
        yield f"  {finding.mode} step {finding.step}  {tensor}{finding.what}{again}"
    if len(result.findings) > MOST:
        yield f"  … and {len(result.findings) - MOST:,} more; --json has all"
    for text in filter(None, advice):
        yield f"  What to do: {text}"
    if result.message:
        yield f"  Note: {result.message}"


def listing() -> Iterator[str]:
    """Yield the built-in rules with their parameters, as lines."""
    for name, definition in RULES.items():
        yield f"{name}: fires if {definition.fires}"
        yield f"  reads {definition.reads}"
        for field in fields_of(definition.parameters):
            yield f"  {field.name}={_shown(field.default)}  {field.metadata['help']}"


def _shown(default: object) -> object:
    return ",".join(default) if isinstance(default, tuple) else default


def markdown_table() -> str:
    """Return the table of built-in rules for the documentation."""
    lines = ["| rule | fires if | reads | parameters |", "| --- | --- | --- | --- |"]
    for name, definition in RULES.items():
        named = ", ".join(f"`{field.name}={_shown(field.default)}`" for field in fields_of(definition.parameters))
        lines.append(f"| {name} | {definition.fires} | {definition.reads} | {named} |")
    return "\n".join(lines) + "\n"


def problems(judgement: Judgement) -> list[str]:
    """Return the messages of rules that could not be run."""
    return [f"{it.rule}: {it.message}" for it in judgement.results if it.status is Status.ERROR]
