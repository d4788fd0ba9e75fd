"""`slipway logs`: shows the log of a job or an endpoint on SageMaker."""

import click

from slipway.aws.connection import Aws
from slipway.aws.console_address import log_address
from slipway.logs.job_logs import endpoint_source, job_source, log_lines
from slipway.options.aws import profile_option, region_option
from slipway.terminal.console import say


@click.command(
    epilog="\b\nExample:\n"
    "  slipway logs slipway-resnet50-2026-11-24-20-30-00-000 --follow\n"
    "  slipway logs --endpoint dogs --lines 50",
)
@click.argument("job", required=False)
@click.option("--endpoint", metavar="NAME", help="Show an endpoint's log instead of a job's.")
@click.option("--follow", is_flag=True, help="Follow the log until the job ends; for an endpoint, until Ctrl-C.")
@click.option(
    "--lines", type=click.IntRange(1), metavar="N", help="Start with the last N existing lines.  [default: all]"
)
@region_option
@profile_option
def logs(
    job: str | None, endpoint: str | None, follow: bool, lines: int | None, region: str | None, profile: str | None
) -> None:
    """Show the log of a training or transform JOB, of all training jobs of a tuning JOB, or of an endpoint.

    Ctrl-C only stops following the log; the job keeps running.
    """
    if (job is None) == (endpoint is None):
        raise click.UsageError("Name a JOB or an --endpoint.")
    aws = Aws(region, profile)
    source = endpoint_source(endpoint) if endpoint else job_source(aws, str(job))
    shown = False
    for line in log_lines(aws, source, tail=lines, follow=follow):
        say(line)
        shown = True
    if not shown:
        say(f"Nothing has been logged yet. {log_address(source.group, aws.region)}")
