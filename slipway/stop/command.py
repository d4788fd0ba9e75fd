"""`slipway stop`: stops a job on SageMaker."""

import click

from slipway.aws.connection import Aws
from slipway.options.aws import profile_option, region_option
from slipway.options.result import json_option, result
from slipway.stop.stop_job import stop_job
from slipway.terminal.console import say

_REST = {
    "training": "It keeps its best model so far, and is billed until it has stopped.",
    "tuning": "Its training jobs stop too; those that have ended keep their results.",
    "transform": "The predictions so far stay in S3.",
    "processing": "What it has written to S3 stays there; Clarify's also deletes the endpoint that it made.",
}


@click.command(
    epilog="\b\nExample:\n  slipway stop slipway-resnet50-2026-11-24-20-30-00-000",
)
@click.argument("job")
@json_option("the job and its status")
@region_option
@profile_option
def stop(job: str, as_json: bool, region: str | None, profile: str | None) -> None:
    """Stop a training, tuning, transform or processing JOB; `slipway jobs` lists the first three.

    A job that has ended is left as it is. `slipway deploy --delete` deletes an endpoint.
    """
    with result(as_json) as answer:
        found = stop_job(Aws(region, profile), job)
        answer.add(name=job, kind=found.kind, arn=found.arn, was_running=found.was_running)
        if not found.was_running:
            answer.add(status=found.status)
            say(f"The {found.kind} job {job} has ended already ({found.status}).")
            return
        answer.add(status="Stopping", consequence=_REST[found.kind])
        say(f"Stopping the {found.kind} job {job}. {_REST[found.kind]}")
