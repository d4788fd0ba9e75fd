"""`slipway jobs`: lists running and finished jobs on SageMaker."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import click

from slipway.aws.connection import Aws
from slipway.aws.jobs import KINDS, Job, Kind, list_jobs
from slipway.options.aws import profile_option, region_option
from slipway.options.result import json_option
from slipway.terminal.console import say, say_table
from slipway.terminal.durations import duration

_TITLES = ("NAME", "KIND", "STATUS", "CREATED (UTC)", "DURATION", "BILLABLE", "METRICS")


@click.command(
    epilog="\b\nExample:\n  slipway jobs --days 7\n  slipway jobs --kind training --json",
)
@click.option("--kind", type=click.Choice(KINDS), help="Only jobs of this kind.  [default: all]")
@click.option("--days", type=click.IntRange(1), default=30, show_default=True, help="How far to look back.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Number of jobs to show.")
@json_option("the jobs")
@region_option
@profile_option
def jobs(kind: Kind | None, days: int, limit: int, as_json: bool, region: str | None, profile: str | None) -> None:
    """List the training, tuning and transform jobs in one region that have Slipway's tag, newest first.

    Billable seconds are summed over all instances; metrics are the final values of a training job, or the best
    objective of a tuning job.
    """
    aws = Aws(region, profile)
    found = list_jobs(
        aws, kinds=(kind,) if kind else KINDS, since=datetime.now(UTC) - timedelta(days=days), limit=limit
    )
    if as_json:
        say(json.dumps([job.to_json() for job in found], indent=2))
        return
    if not found:
        say(f"No Slipway jobs in {aws.region} in the last {days} days.")
        say("Next: slipway train s3://BUCKET/dogImages --instance-type ml.g4dn.xlarge")
        return
    say_table(map(_row, found), _TITLES)
    for job in found:
        if job.failure:
            say(f"{job.name}: {' '.join(job.failure.split())}")


def _row(job: Job) -> tuple[str, ...]:
    return (
        job.name,
        job.kind,
        job.status,
        f"{job.created.astimezone(UTC):%Y-%m-%d %H:%M}",
        "" if job.duration_s is None else duration(job.duration_s),
        "" if job.billable_s is None else f"{job.billable_s} s",
        _metrics(job.metrics),
    )


def _metrics(metrics: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in sorted(metrics.items()))
