"""Locates the log of a job or an endpoint, and follows it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from slipway.aws.cloud_logs import PROCESSING_GROUP, TRAINING_GROUP, TRANSFORM_GROUP, LogFollower, endpoint_group
from slipway.aws.connection import Aws, Service
from slipway.aws.jobs import RUNNING, STEMS, describe_job

_POLL_S = 5.0
_GROUPS = {"training": TRAINING_GROUP, "transform": TRANSFORM_GROUP, "processing": PROCESSING_GROUP}


@dataclass(frozen=True)
class LogSource:
    """A log group, and which of its streams to read."""

    group: str
    jobs: Callable[[], Sequence[str]]
    """Returns the names of the jobs whose streams to read; an empty name means the whole group."""
    runs: Callable[[], bool]
    """Returns whether more lines may come."""


def endpoint_source(name: str) -> LogSource:
    """Locate an endpoint's log, which outlives the endpoint."""
    return LogSource(endpoint_group(name), lambda: ("",), lambda: True)


def job_source(aws: Aws, name: str) -> LogSource:
    """Locate the log of a training, transform or processing job, or those of a tuning job's training jobs.

    Raises:
        SettingError: There is no job of that name.
        ServiceError: AWS refuses.
    """
    service = aws.service("sagemaker")
    kind, _ = describe_job(service, name, aws.region)
    stem = STEMS[kind]

    def runs() -> bool:
        return service.call(f"Describe{stem}", **{f"{stem}Name": name})[f"{stem}Status"] in RUNNING

    if kind == "tuning":
        return LogSource(TRAINING_GROUP, lambda: _trials(service, name), runs)
    return LogSource(_GROUPS[kind], lambda: (name,), runs)


def _trials(service: Service, name: str) -> list[str]:
    summaries = service.pages(
        "ListTrainingJobsForHyperParameterTuningJob", "TrainingJobSummaries", HyperParameterTuningJobName=name
    )
    return sorted(summary["TrainingJobName"] for summary in summaries)


def log_lines(aws: Aws, source: LogSource, *, tail: int | None, follow: bool, poll_s: float = _POLL_S) -> Iterator[str]:
    """Yield the lines of a log.

    Args:
        aws: Credentials and region.
        source: From `job_source` or `endpoint_source`.
        tail: Number of existing lines to start with, for each job; None: all.
        follow: Continue until the job has ended; for an endpoint, forever.
        poll_s: Seconds between polls.

    Raises:
        ServiceError: AWS refuses.
    """
    session = aws.boto_session()
    followers: dict[str, LogFollower] = {}
    first = True
    while True:
        # Checked before reading, so that the last lines of a job that has just ended are read too.
        goes_on = follow and source.runs()
        for job in source.jobs():
            follower = followers.setdefault(job, LogFollower(session, source.group, job))
            lines = follower.new_lines()
            yield from lines[-tail:] if first and tail is not None else lines
        if not goes_on:
            return
        first = False
        time.sleep(poll_s)
