"""`slipway download`: fetches what a job has left in S3, or an endpoint's model."""

from pathlib import Path

import click

from slipway.aws.connection import Aws
from slipway.download.results import download_results
from slipway.options.aws import profile_option, region_option
from slipway.terminal.console import say


@click.command(
    epilog="\b\nExample:\n  slipway download slipway-resnet50-2026-11-24-20-30-00-000\n"
    "  slipway download dogs --to dogs-model",
)
@click.argument("name", metavar="JOB|ENDPOINT")
@click.option(
    "--to",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the files.  [default: JOB or ENDPOINT]",
)
@region_option
@profile_option
def download(name: str, directory: Path | None, region: str | None, profile: str | None) -> None:
    """Download model.tar.gz and output.tar.gz of a training JOB or of a tuning JOB's best one, the outputs of a
    transform JOB, or the model of an ENDPOINT.
    """
    model = None
    for path in download_results(Aws(region, profile), name, directory or Path(name)):
        say(str(path))
        model = path if path.name == "model.tar.gz" else model
    if model:
        say(f"Next: slipway serve {model}")
