"""Where the log of a job or an endpoint is, and its lines as they come."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from slipway.aws.connection import Aws, Service
from slipway.aws.refusals import AwsError
from slipway.cloud_logs import TRAINING_GROUP, TRANSFORM_GROUP, LogFollower, endpoint_group
from slipway.errors import RemoteJobError

_POLL_S = 5.0
_RUNNING = ("InProgress", "Stopping")
# What SageMaker says when there is no such job depends on the operation.
_MISSING = ("ValidationException", "ResourceNotFound")


@dataclass(frozen=True)
class LogSource:
    """A log group, and which of its streams are meant."""

    group: str
    jobs: Callable[[], Sequence[str]]
    """Whose streams are meant, as of now; the empty name is all of the group's."""
    runs: Callable[[], bool]
    """Whether more may come."""


def endpoint_source(name: str) -> LogSource:
    """An endpoint's log; it is there even after the endpoint has been deleted."""
    return LogSource(endpoint_group(name), lambda: ("",), lambda: True)


def job_source(aws: Aws, name: str) -> LogSource:
    """A training job's log, a transform job's, or those of a tuning job's training jobs.

    Raises:
        RemoteJobError: There is no job of that name.
        ServiceError: AWS refuses.
    """
    service = aws.service("sagemaker")
    for stem, group in (("TrainingJob", TRAINING_GROUP), ("TransformJob", TRANSFORM_GROUP)):
        if _status(service, stem, name):
            return LogSource(group, lambda: (name,), lambda stem=stem: _status(service, stem, name) in _RUNNING)  # type: ignore[misc]  # bound now
    stem = "HyperParameterTuningJob"
    if _status(service, stem, name):
        return LogSource(
            TRAINING_GROUP, lambda: _trials(service, name), lambda: _status(service, stem, name) in _RUNNING
        )
    raise RemoteJobError(
        f"there is no training, tuning or transform job {name} in {aws.region}; slipway jobs lists them, --region "
        "names another region, and slipway logs --endpoint NAME is for endpoints"
    )


def _status(service: Service, stem: str, name: str) -> str | None:
    try:
        return str(service.call(f"Describe{stem}", **{f"{stem}Name": name})[f"{stem}Status"])
    except AwsError as error:
        if error.code in _MISSING:
            return None
        raise


def _trials(service: Service, name: str) -> list[str]:
    summaries = service.pages(
        "ListTrainingJobsForHyperParameterTuningJob", "TrainingJobSummaries", HyperParameterTuningJobName=name
    )
    return sorted(summary["TrainingJobName"] for summary in summaries)


def log_lines(aws: Aws, source: LogSource, *, tail: int | None, follow: bool, poll_s: float = _POLL_S) -> Iterator[str]:
    """The lines of a log.

    Args:
        aws: Where and as whom.
        source: From `job_source` or `endpoint_source`.
        tail: Of what is there already, only so many of each job's last lines; None: all.
        follow: Go on until the job has ended, or for ever where it is an endpoint.
        poll_s: Seconds between looks.

    Raises:
        ServiceError: AWS refuses.
    """
    session = aws.boto_session()
    followers: dict[str, LogFollower] = {}
    first = True
    while True:
        # Asked before reading: what a job writes at its end is read after it has ended.
        goes_on = follow and source.runs()
        for job in source.jobs():
            follower = followers.setdefault(job, LogFollower(session, source.group, job))
            lines = follower.new_lines()
            yield from lines[-tail:] if first and tail is not None else lines
        if not goes_on:
            return
        first = False
        time.sleep(poll_s)
