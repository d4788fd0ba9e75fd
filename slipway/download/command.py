"""`slipway download`: fetches what a job has left in S3, or an endpoint's model."""

from pathlib import Path

import click

from slipway.aws.connection import Aws
from slipway.download.results import download_results
from slipway.options.aws import profile_option, region_option
from slipway.options.result import json_option, result
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
@json_option("the files")
@region_option
@profile_option
def download(name: str, directory: Path | None, as_json: bool, region: str | None, profile: str | None) -> None:
    """Download model.tar.gz and output.tar.gz of a training JOB or of a tuning JOB's best one, the outputs of a
    transform or processing JOB, or the model of an ENDPOINT.
    """
    with result(as_json) as answer:
        files: list[Path] = []
        for path in download_results(Aws(region, profile), name, directory or Path(name)):
            say(str(path))
            files.append(path)
            answer.add(files=[str(file) for file in files])
        for path in files:
            if path.name == "model.tar.gz":
                answer.next(f"slipway serve {path}")
