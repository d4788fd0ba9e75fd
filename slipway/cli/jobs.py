"""`slipway jobs`: what runs and ran on SageMaker."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import click

from slipway.aws.connection import Aws
from slipway.cli.aws_options import profile_option, region_option
from slipway.cli.console import say
from slipway.compare.table import duration
from slipway.jobs import KINDS, Job, Kind, list_jobs

_TITLES = ("NAME", "KIND", "STATUS", "CREATED (UTC)", "DURATION", "BILLABLE", "METRICS")


@click.command(
    short_help="Show the jobs on SageMaker.",
    epilog="\b\nExample:\n  slipway jobs --days 7\n  slipway jobs --kind training --json",
)
@click.option("--kind", type=click.Choice(KINDS), help="Only these.  [default: all]")
@click.option("--days", type=click.IntRange(1), default=30, show_default=True, help="How far to look back.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Show the newest so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")
@region_option
@profile_option
def jobs(kind: Kind | None, days: int, limit: int, as_json: bool, region: str | None, profile: str | None) -> None:
    """Show the training, tuning and transform jobs in one region that carry Slipway's tag, the newest first.

    Billable seconds are those of all instances together; metrics are the last values of a training job, and the best
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
        say(f"No job of Slipway's in {aws.region} in the last {days} days.")
        say("Next: slipway train s3://BUCKET/dogImages --instance-type ml.g4dn.xlarge")
        return
    rows = [_TITLES, *(_row(job) for job in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
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
