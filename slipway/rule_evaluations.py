"""What SageMaker's rules found in a training job, and where its tensors and measurements are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Kind = Literal["tensors", "profiler"]

_STATUSES = {
    "InProgress": "still being checked",
    "NoIssuesFound": "no issues found",
    "IssuesFound": "issues found",
    "Error": "could not be checked",
    "Stopping": "being stopped",
    "Stopped": "stopped",
}


@dataclass(frozen=True, kw_only=True)
class RuleEvaluation:
    """How one rule's evaluation stands, as DescribeTrainingJob says."""

    rule: str
    kind: Kind
    """What it reads."""
    status: str
    """InProgress, NoIssuesFound, IssuesFound, Error, Stopping, Stopped; Waiting before SageMaker says anything."""
    details: str = ""
    """In SageMaker's words, such as the step at which it fired."""
    processing_job: str | None = None
    """Name of the job that evaluates it."""
    outputs: str | None = None
    """S3 address of what it writes."""
    modified: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether it says no more; rules go on for a while after the training job."""
        return self.status in ("NoIssuesFound", "IssuesFound", "Error", "Stopped")

    def describe(self) -> str:
        """For people, one line."""
        text = f"{self.rule}: {_STATUSES.get(self.status, 'waiting')}"
        return f"{text} ({' '.join(self.details.split())})" if self.details else text


@dataclass(frozen=True, kw_only=True)
class DebuggerOutputs:
    """S3 addresses; None where the job saves nothing of the kind."""

    archive: str | None
    """What the image left in /opt/ml/output/data, its reports among it."""
    tensors: str | None
    """What `slipway debug` reads."""
    profiler: str | None
    """What `slipway report` reads: SageMaker's own measurements of the system, and the steps that the image writes."""
    report: str | None
    """SageMaker's profiler report, which the rule ProfilerReport writes."""


def evaluations_of(description: Mapping[str, Any]) -> tuple[RuleEvaluation, ...]:
    """One for each rule of a job, in the order in which they were given.

    Args:
        description: DescribeTrainingJob's answer.
    """
    return (*_of_kind(description, "tensors", "DebugRule"), *_of_kind(description, "profiler", "ProfilerRule"))


def _of_kind(description: Mapping[str, Any], kind: Kind, stem: str) -> list[RuleEvaluation]:
    statuses = {entry["RuleConfigurationName"]: entry for entry in description.get(f"{stem}EvaluationStatuses", ())}
    found = []
    for rule in description.get(f"{stem}Configurations", ()):
        name = rule["RuleConfigurationName"]
        status = statuses.get(name, {})
        job = status.get("RuleEvaluationJobArn", "").rpartition("/")[2]
        found.append(
            RuleEvaluation(
                rule=name,
                kind=kind,
                status=status.get("RuleEvaluationStatus", "Waiting"),
                details=status.get("StatusDetails", ""),
                processing_job=job or None,
                outputs=rule.get("S3OutputPath") or _below(description, "OutputDataConfig", f"rule-output/{name}"),
                modified=status.get("LastModifiedTime"),
            )
        )
    return found


def outputs_of(description: Mapping[str, Any]) -> DebuggerOutputs:
    """Where SageMaker puts what a job and its rules write.

    Args:
        description: DescribeTrainingJob's answer.
    """
    profiled = not description.get("ProfilerConfig", {}).get("DisableProfiler")
    return DebuggerOutputs(
        archive=_below(description, "OutputDataConfig", "output/output.tar.gz"),
        tensors=_below(description, "DebugHookConfig", "debug-output"),
        profiler=_below(description, "ProfilerConfig", "profiler-output") if profiled else None,
        report=_report(description),
    )


def _report(description: Mapping[str, Any]) -> str | None:
    for rule in description.get("ProfilerRuleConfigurations", ()):
        invoked = rule.get("RuleParameters", {}).get("rule_to_invoke")
        if invoked == "ProfilerReport" and not rule.get("S3OutputPath"):
            place = f"rule-output/{rule['RuleConfigurationName']}/profiler-output/profiler-report.html"
            return _below(description, "OutputDataConfig", place)
    return None


def _below(description: Mapping[str, Any], member: str, name: str) -> str | None:
    base = description.get(member, {}).get("S3OutputPath")
    return f"{str(base).rstrip('/')}/{description['TrainingJobName']}/{name}" if base else None
