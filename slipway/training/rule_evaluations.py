"""Results of SageMaker's rules on a training job, and the addresses of its tensors and measurements."""

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
    """The state of one rule's evaluation, from DescribeTrainingJob."""

    rule: str
    kind: Kind
    """Whether the rule reads tensors or the profiler's measurements."""
    status: str
    """InProgress, NoIssuesFound, IssuesFound, Error, Stopping, Stopped; Waiting before SageMaker says anything."""
    details: str = ""
    """SageMaker's details, such as the step at which the rule fired."""
    processing_job: str | None = None
    """Name of the processing job that evaluates the rule."""
    outputs: str | None = None
    """S3 address of its outputs."""
    modified: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether the evaluation has ended; rules run on for a while after the training job."""
        return self.status in ("NoIssuesFound", "IssuesFound", "Error", "Stopped")

    def describe(self) -> str:
        """Describe the state in one line."""
        text = f"{self.rule}: {_STATUSES.get(self.status, 'waiting')}"
        return f"{text} ({' '.join(self.details.split())})" if self.details else text


@dataclass(frozen=True, kw_only=True)
class DebuggerOutputs:
    """S3 addresses of a job's outputs; None for those that it does not write."""

    archive: str | None
    """Archive of /opt/ml/output/data, with the image's reports."""
    tensors: str | None
    """Saved tensors, which `slipway debug` reads."""
    profiler: str | None
    """SageMaker's system metrics and the image's framework events, which `slipway report` reads."""
    report: str | None
    """SageMaker's profiler report, which the rule ProfilerReport writes."""


def evaluations_of(description: Mapping[str, Any]) -> tuple[RuleEvaluation, ...]:
    """Read the state of each rule of a job, in the order in which the rules were given.

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
    """Read the addresses of a job's and its rules' outputs.

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
