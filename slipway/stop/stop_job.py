"""Stops a job on SageMaker by its name."""

from dataclasses import dataclass

from slipway.aws.connection import Aws
from slipway.aws.jobs import RUNNING, STEMS, Kind, describe_job


@dataclass(frozen=True, kw_only=True)
class StoppedJob:
    """A job, and whether it was running until now."""

    kind: Kind
    status: str
    """Its status before."""
    was_running: bool


def stop_job(aws: Aws, name: str) -> StoppedJob:
    """Stop a training, tuning or transform job, unless it has ended; a tuning job's training jobs stop with it.

    Raises:
        RemoteJobError: There is no job of that name.
        ServiceError: AWS refuses.
    """
    service = aws.service("sagemaker")
    kind, description = describe_job(service, name, aws.region)
    stem = STEMS[kind]
    status = str(description[f"{stem}Status"])
    if status in RUNNING:
        service.call(f"Stop{stem}", **{f"{stem}Name": name})
    return StoppedJob(kind=kind, status=status, was_running=status in RUNNING)
