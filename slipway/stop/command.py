"""`slipway stop`: stops a job on SageMaker."""

import click

from slipway.aws.connection import Aws
from slipway.options.aws import profile_option, region_option
from slipway.stop.stop_job import stop_job
from slipway.terminal.console import say

_REST = {
    "training": "It keeps its best model so far, and is billed until it has stopped.",
    "tuning": "Its training jobs stop too; those that have ended keep their results.",
    "transform": "The predictions so far stay in S3.",
}


@click.command(
    epilog="\b\nExample:\n  slipway stop slipway-resnet50-2026-11-24-20-30-00-000",
)
@click.argument("job")
@region_option
@profile_option
def stop(job: str, region: str | None, profile: str | None) -> None:
    """Stop a training, tuning or transform JOB, which `slipway jobs` lists.

    A job that has ended is left as it is. `slipway deploy --delete` deletes an endpoint.
    """
    found = stop_job(Aws(region, profile), job)
    if not found.was_running:
        say(f"The {found.kind} job {job} has ended already ({found.status}).")
        return
    say(f"Stopping the {found.kind} job {job}. {_REST[found.kind]}")
