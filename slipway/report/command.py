"""`slipway report`: writes the profiler report and the training report again, from a job's records."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from container.contract.errors import ReportError
from slipway.errors import PageError
from slipway.options.aws import profile_option, region_option
from slipway.report.pdf import find_browser, print_page
from slipway.report.records import Records, find_records, unpack_records
from slipway.terminal.console import progress_bar, say, say_place

if TYPE_CHECKING:
    from container.report.analyses import Finding

Kind = Literal["both", "profiler", "training"]


@click.command(
    epilog="\b\nExample:\n"
    "  slipway report slipway-jobs/dogs\n"
    "  slipway report s3://my-dogs/jobs/dogs-1/profiler-output --output dogs-1\n"
    "  slipway report s3://my-dogs/jobs/dogs-1/output/output.tar.gz --kind training --pdf",
)
@click.argument("records", metavar="RECORDS")
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the pages.  [default: beside the records; for S3 and archives, the working directory]",
)
@click.option(
    "--kind",
    type=click.Choice(["both", "profiler", "training"]),
    default="both",
    show_default=True,
    help="Which report to write; both: each one that there are records for.",
)
@click.option("--pdf", is_flag=True, help="Also print each page to a PDF file beside it; needs Chromium or Chrome.")
@region_option
@profile_option
def report(records: str, output: Path | None, kind: Kind, pdf: bool, region: str | None, profile: str | None) -> None:
    """Write profiler-report.html and training-report.html from a job's records, and print which rules fired.

    RECORDS is a job directory of slipway train, its output/data directory, an output.tar.gz, or a directory written
    by SageMaker's profiler; the last two can be S3 addresses. SageMaker's system metrics alone yield a hardware
    report; a job of Slipway's images yields the full one.
    """
    browser = find_browser() if pdf else None
    with tempfile.TemporaryDirectory(prefix="slipway-report-") as scratch:
        if records.startswith("s3://"):
            _download(records, Path(scratch), region, profile)
        elif Path(records).is_file():
            unpack_records(Path(records), Path(scratch))
        else:
            _write(find_records(Path(records)), output, kind, browser)
            return
        _write(find_records(Path(scratch)), output or Path(), kind, browser)


def _download(address: str, directory: Path, region: str | None, profile: str | None) -> None:
    from slipway.aws.connection import Aws
    from slipway.report.download import download_records

    with progress_bar("downloading") as advance:
        download_records(address, directory, Aws(region, profile), advance)


def _write(found: Records, output: Path | None, kind: Kind, browser: str | None) -> None:
    from container.report import PROFILER_REPORT, TRAINING_REPORT, write_profiler_report, write_training_report

    directory = output or found.place
    profiler = found.profile if kind != "training" else None
    training = found.training if kind != "profiler" else None
    if profiler is None and training is None:
        raise ReportError(f"there are only records for the other report; omit --kind {kind}")
    written = []
    try:
        if profiler:
            _print_findings(write_profiler_report(profiler, directory, beside=[TRAINING_REPORT] if training else []))
            written.append(("profiler", directory / PROFILER_REPORT))
        if training:
            write_training_report(training, directory)
            written.append(("training", directory / TRAINING_REPORT))
        if browser:
            written += [("PDF", print_page(page, browser)) for _, page in list(written)]
    except OSError as error:
        raise PageError(
            f"{error.filename or directory} cannot be written: {error.strerror}; name another folder with --output"
        ) from error
    for name, page in written:
        say_place(name, page)


def _print_findings(findings: Sequence["Finding"]) -> None:
    fired = [finding for finding in findings if finding.fired]
    for finding in fired:
        advice = f"; {finding.advice[0].text}" if finding.advice else ""
        say(f"{finding.rule}: {finding.measured}{advice}")
    if not fired:
        say("No rule fired.")
