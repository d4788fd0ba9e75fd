"""Runs a comparison on SageMaker: parallel training jobs, whose results are read from S3."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from slipway.aws.console_address import console_address
from slipway.aws.refusals import explained
from slipway.aws.s3_address import S3Address
from slipway.compare.archives import read_archives
from slipway.compare.comparison import Comparison, compare
from slipway.compare.result import Result
from slipway.compare.variants import Variant
from slipway.errors import ComparisonError, QuotaError, RemoteJobError, ServiceError

if TYPE_CHECKING:
    from slipway.aws.session import AnySession

Say = Callable[[str], None]
Start = Callable[[Variant, str], None]
"""Function that starts a variant's training job under a name, without waiting for it."""

_ENDED = ("Completed", "Failed", "Stopped")
_LONGEST_NAME = 63


def run_remotely(
    variants: Sequence[Variant],
    start: Start,
    session: "AnySession",
    *,
    name: str = "slipway",
    max_parallel: int,
    say: Say,
    interval_s: float = 20,
) -> Comparison:
    """Train all variants, some in parallel; a failed one does not stop the others.

    Args:
        variants: The jobs to train.
        start: Starts a job.
        session: A session, to follow the jobs with.
        name: Prefix of the jobs' names.
        max_parallel: Number of jobs at once; fewer if the account's quota is lower.
        say: Called with progress messages.
        interval_s: Seconds between polls of the jobs.

    Raises:
        ServiceError: AWS refused a call; `say` was called with the jobs that are running.
        RemoteJobError: Every job failed.
    """
    waiting, running = list(variants), dict[str, Variant]()
    found: dict[str, Result] = {}
    failures: dict[str, str] = {}
    try:
        while waiting or running:
            while waiting and len(running) < max_parallel:
                job = job_name(waiting[0], name)
                try:
                    start(waiting[0], job)
                except QuotaError:
                    if not running:
                        raise
                    max_parallel = len(running)
                    say(f"The account's quota allows {max_parallel} of these jobs at a time")
                    break
                running[job] = waiting.pop(0)
                say(f"{running[job].name}: started as {job}")
                say(f"  {console_address('training job', job, session.boto_region_name)}")
            for job, description in [(job, _describe(session, job)) for job in running]:
                if description["TrainingJobStatus"] not in _ENDED:
                    continue
                variant = running.pop(job).name
                try:
                    found[variant] = replace(read_remote_job(session, job), name=variant)
                    say(f"{variant}: completed")
                except (ComparisonError, ServiceError) as error:
                    failures[variant] = str(error)
                    say(f"{variant} failed: {error}")
            if running:
                time.sleep(interval_s)
    except BaseException:
        if running:
            say(f"Still running, and billed: {', '.join(running)}")
            say(f"Compare them when they have ended: slipway compare {' '.join(f'--job {job}' for job in running)}")
            say("Stop one: slipway stop NAME")
        raise
    if not found:
        first, reason = next(iter(failures.items()))
        raise RemoteJobError(f"every job of the comparison failed; the first, {first}: {reason}")
    results = [found[variant.name] for variant in variants if variant.name in found]
    return compare(results, tuple(variants[0].varied), failures)


def job_name(variant: Variant, prefix: str = "slipway") -> str:
    """A new name for a variant's training job."""
    suffix = f"{datetime.now(UTC):-%y%m%d-%H%M%S-%f}"[:-3]
    return f"{prefix}-{variant.slug}"[: _LONGEST_NAME - len(suffix)].rstrip("-") + suffix


def read_remote_job(session: "AnySession", job: str) -> Result:
    """Read what a training job left in S3.

    Raises:
        ComparisonError: It has not completed (the message has the job's own reason), or is none of Slipway's.
        ServiceError: AWS refused a call.
    """
    description = _describe(session, job)
    status = description["TrainingJobStatus"]
    if status != "Completed":
        reason = description.get("FailureReason") or f"its status is {status}"
        raise ComparisonError(f"the training job {job} has no result: {reason}")
    model = str(description["ModelArtifacts"]["S3ModelArtifacts"])
    groups = [f"{one['InstanceCount']} x {one['InstanceType']}" for one in _groups(description["ResourceConfig"])]
    return read_archives(
        model,
        model.removesuffix(PurePosixPath(model).name) + "output.tar.gz",
        partial(_opened, session),
        job=job,
        place=", ".join(groups),
        billable_s=description.get("BillableTimeInSeconds"),
    )


def _groups(resources: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return resources.get("InstanceGroups") or [resources]


def _describe(session: "AnySession", job: str) -> Mapping[str, Any]:
    with explained(f"looking for the training job {job}"):
        description: Mapping[str, Any] = session.sagemaker_client.describe_training_job(TrainingJobName=job)
        return description


@contextmanager
def _opened(session: "AnySession", address: str) -> Iterator[IO[bytes]]:
    place = S3Address.parse(address)
    with explained(f"reading {address}"):
        body = session.boto_session.client("s3").get_object(Bucket=place.bucket, Key=place.key)["Body"]
        with body:
            yield body
