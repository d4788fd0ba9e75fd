"""Stops a job on SageMaker by its name."""

from dataclasses import dataclass

from slipway.aws.connection import Aws, Service
from slipway.aws.jobs import RUNNING, STEMS, AnyKind, describe_job
from slipway.aws.refusals import AwsError
from slipway.errors import SettingError


@dataclass(frozen=True, kw_only=True)
class StoppedJob:
    """A job, and whether it was running until now."""

    kind: AnyKind
    arn: str
    status: str
    """Its status before."""
    was_running: bool


def stop_job(aws: Aws, name: str) -> StoppedJob:
    """Stop a training, tuning, transform or processing job, unless it has ended; a tuning job's jobs stop with it.

    Raises:
        SettingError: There is no job of that name; if it is an endpoint's or a model's, the message has what to use.
        ServiceError: AWS refuses.
    """
    service = aws.service("sagemaker")
    try:
        kind, description = describe_job(service, name, aws.region)
    except SettingError as error:
        if advice := _advice(service, name):
            raise SettingError(advice) from error
        raise
    stem = STEMS[kind]
    status = str(description[f"{stem}Status"])
    if status in RUNNING:
        service.call(f"Stop{stem}", **{f"{stem}Name": name})
    arn = str(description.get(f"{stem}Arn", ""))
    return StoppedJob(kind=kind, arn=arn, status=status, was_running=status in RUNNING)


def _advice(service: Service, name: str) -> str:
    """Say what deletes the endpoint or the model of that name; empty if there is none, or AWS does not tell."""
    for kind, advice in (
        ("Endpoint", f"{name} is an endpoint, which is not stopped but deleted: slipway deploy --delete {name}"),
        ("Model", f"{name} is a model, which does not run and costs nothing; slipway clean --models deletes models"),
    ):
        try:
            service.call(f"Describe{kind}", **{f"{kind}Name": name})
        except AwsError:
            continue
        return advice
    return ""
