"""Lists the training, tuning and transform jobs on SageMaker that have Slipway's tag; finds a job by its name."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from slipway.aws.connection import Aws, Service
from slipway.aws.console_address import console_address
from slipway.aws.refusals import AwsError
from slipway.aws.tags import is_ours
from slipway.errors import SettingError

Kind = Literal["training", "tuning", "transform"]
AnyKind = Literal[Kind, "processing"]

KINDS: tuple[Kind, ...] = ("training", "tuning", "transform")
RUNNING = ("InProgress", "Stopping")
"""Statuses of jobs that have not ended."""

# SageMaker's error code for a missing job depends on the operation.
_MISSING = ("ValidationException", "ResourceNotFound")

# The common part of names in the API: List…s, Describe…, …Name, …Arn, …Status.
STEMS: Mapping[AnyKind, str] = {
    "training": "TrainingJob",
    "tuning": "HyperParameterTuningJob",
    "transform": "TransformJob",
    "processing": "ProcessingJob",
}


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job on SageMaker."""

    name: str
    kind: Kind
    status: str
    """Completed, Failed, InProgress, Stopped, Stopping."""
    created: datetime
    duration_s: float | None
    """Seconds from its start to its end, or until now; None if it has not started."""
    billable_s: int | None
    """Seconds, summed over all instances; None for a tuning job, whose training jobs have them, or if unknown."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """The last value of each metric, by name; a tuning job's is the best objective."""
    failure: str = ""
    console: str = ""
    """Address of its page in the AWS console."""

    def to_json(self) -> dict[str, Any]:
        """Return the job's fields as JSON values."""
        return {**vars(self), "created": self.created.isoformat(), "metrics": dict(self.metrics)}


def list_jobs(aws: Aws, *, kinds: tuple[Kind, ...] = KINDS, since: datetime, limit: int) -> list[Job]:
    """List jobs with Slipway's tag, newest first.

    Args:
        aws: Credentials and region.
        kinds: Kinds of jobs to list.
        since: Omit jobs created earlier; each job costs two calls.
        limit: Maximum number of jobs.

    Raises:
        ServiceError: AWS refuses.
    """
    service = aws.service("sagemaker")
    newest = heapq.merge(
        *(_summaries(service, kind, since) for kind in kinds), key=lambda found: found[0]["CreationTime"], reverse=True
    )
    ours = ((summary, kind) for summary, kind in newest if is_ours(service, summary[f"{STEMS[kind]}Arn"]))
    return [_describe(service, kind, summary, aws.region) for summary, kind in islice(ours, limit)]


def _summaries(service: Service, kind: Kind, since: datetime) -> Iterator[tuple[Mapping[str, Any], Kind]]:
    stem = STEMS[kind]
    found = service.pages(
        f"List{stem}s", f"{stem}Summaries", CreationTimeAfter=since, SortBy="CreationTime", SortOrder="Descending"
    )
    return ((summary, kind) for summary in found)


def _describe(service: Service, kind: Kind, summary: Mapping[str, Any], region: str) -> Job:
    stem = STEMS[kind]
    name = summary[f"{stem}Name"]
    return read_description(kind, service.call(f"Describe{stem}", **{f"{stem}Name": name}), region)


def describe_job(service: Service, name: str, region: str) -> tuple[AnyKind, Mapping[str, Any]]:
    """Find a job by its name alone; return its kind, and the answer of the API's Describe operation.

    Raises:
        SettingError: There is no job of that name.
        ServiceError: AWS refuses.
    """
    for kind, stem in STEMS.items():
        try:
            return kind, service.call(f"Describe{stem}", **{f"{stem}Name": name})
        except AwsError as error:
            if error.code not in _MISSING:
                raise
    raise SettingError(
        f"there is no training, tuning, transform or processing job {name} in {region}; slipway jobs lists them, "
        "--region names another region, and slipway endpoints lists endpoints"
    )


def read_description(kind: Kind, description: Mapping[str, Any], region: str) -> Job:
    """Build a job from the API's description of it.

    Args:
        kind: Kind of the job.
        description: Answer of the API's Describe operation.
        region: Region, for the console address.
    """
    stem = STEMS[kind]
    name, status = description[f"{stem}Name"], description[f"{stem}Status"]
    prefix = {"training": "Training", "tuning": "HyperParameterTuning", "transform": "Transform"}[kind]
    # A tuning job has no start time.
    start = description["CreationTime"] if kind == "tuning" else description.get(f"{prefix}StartTime")
    end = description.get(f"{prefix}EndTime") or (datetime.now(UTC) if status in RUNNING else None)
    return Job(
        name=name,
        kind=kind,
        status=status,
        created=description["CreationTime"],
        duration_s=(end - start).total_seconds() if start and end else None,
        billable_s=_billable_s(description),
        metrics=_metrics(kind, description),
        failure=description.get("FailureReason", ""),
        console=console_address(f"{kind} job", name, region),  # type: ignore[arg-type]  # each kind is one there
    )


def _billable_s(description: Mapping[str, Any]) -> int | None:
    seconds: int | None = description.get("BillableTimeInSeconds")
    resources = description.get("ResourceConfig", {})
    groups = resources.get("InstanceGroups") or [resources]
    return None if seconds is None else seconds * sum(group.get("InstanceCount", 1) for group in groups)


def _metrics(kind: Kind, description: Mapping[str, Any]) -> dict[str, float]:
    if kind == "tuning":
        best = description.get("BestTrainingJob", {}).get("FinalHyperParameterTuningJobObjectiveMetric")
        return {best["MetricName"]: best["Value"]} if best else {}
    return {metric["MetricName"]: metric["Value"] for metric in description.get("FinalMetricDataList", ())}
