"""`slipway compare`: trains variants (architectures, or values of any hyperparameter) alike, and compares them."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from container.contract.errors import HyperparameterError
from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.session import AnySession, AwsSession, is_local, local_session
from slipway.cli.aws_options import (
    dry_run_option,
    instance_type_option,
    profile_option,
    region_option,
    require_in_s3,
    role_option,
    show_requests,
)
from slipway.cli.channels import local_channels, weights_file
from slipway.cli.console import say, say_place, say_table
from slipway.cli.hyperparameter_options import HyperparameterCommand, hyperparameter_options
from slipway.compare.comparison import Comparison
from slipway.compare.comparison import compare as compare_results
from slipway.compare.remote import job_name, read_remote_job, run_remotely
from slipway.compare.result import Result, read_job
from slipway.compare.table import rows
from slipway.compare.variants import BASELINE, MODEL_TYPE, Variant, make_variants, parse_choices
from slipway.dataset_folder import SPLIT_FOLDERS
from slipway.errors import ComparisonError, PageError, SettingError
from slipway.installed_sdk import installed_sdk
from slipway.job import JobDirectory, default_job_directory, require_installed
from slipway.networks import check_networks
from slipway.requests.missing import Missing
from slipway.s3_channels import find_s3_channels

_RESULTS = "comparison.json"
_PAGE = "comparison.html"

# The first is what is compared; the others inspect a single job.
_NOT_COMMON = (MODEL_TYPE, "profile", "debug")


@click.command(
    cls=HyperparameterCommand,
    epilog="\b\nExample:\n"
    "  slipway compare dogs --epochs 10\n"
    "  slipway compare dogs --models resnet18,resnet50 --vary batch-size=32,64\n"
    "  slipway compare slipway-jobs/first slipway-jobs/second\n"
    "  slipway compare s3://my-dogs/dogImages --instance-type ml.g4dn.xlarge --max-parallel 3",
)
@click.argument("data", nargs=-1, metavar="DATA…")
@click.option(
    "--models", metavar="NAME,NAME", help=f"Architectures to compare.  [default: {','.join(BASELINE)}, without --vary]"
)
@click.option(
    "--vary", metavar="NAME=VALUE,VALUE", multiple=True, help="Compare values of a hyperparameter; repeatable."
)
@click.option(
    "--comparison-dir",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for comparison.json, comparison.html and the jobs of this machine; continues an earlier comparison "
    "on the same data.  [default: slipway-jobs/TIME-comparison]",
)
@click.option(
    "--job", "jobs", metavar="NAME", multiple=True, help="Compare a finished training job on SageMaker; repeatable."
)
@click.option("--verbose", is_flag=True, help="Show the full output of jobs on this machine.")
@instance_type_option("Train")
@click.option(
    "--max-parallel", type=click.IntRange(1), default=2, show_default=True, help="SageMaker jobs to run at once."
)
@click.option("--spot", is_flag=True, help="Managed spot training, with checkpoints in S3.")
@click.option("--image", metavar="IMAGE", help="Training image.  [default: what push.sh pushed]")
@click.option(
    "--bucket",
    metavar="NAME",
    envvar="SLIPWAY_BUCKET",
    help="Bucket for outputs, below jobs/.  [default: the data's bucket]",
)
@role_option
@region_option
@profile_option
@dry_run_option
@hyperparameter_options(without=_NOT_COMMON)
def compare(
    data: tuple[str, ...],
    models: str | None,
    vary: tuple[str, ...],
    comparison_dir: Path | None,
    jobs: tuple[str, ...],
    verbose: bool,
    instance_type: str | None,
    max_parallel: int,
    spot: bool,
    image: str | None,
    bucket: str | None,
    role: str | None,
    region: str | None,
    profile: str | None,
    dry_run: bool,
    **hyperparameters: str | None,
) -> None:
    """Train several models on DATA, with the same data, seed and settings, and compare them.

    DATA is as for slipway train. On this machine the jobs run one after another; --comparison-dir continues an earlier
    comparison: finished jobs are not trained again, interrupted ones resume from their checkpoints. With
    --instance-type, DATA is an S3 address, and jobs run in parallel.

    DATA can also be job directories of slipway train, and --job can name jobs on SageMaker: those are compared without
    training anything.
    """
    directory = comparison_dir or default_job_directory("comparison")
    given = {name.replace("_", "-"): value for name, value in hyperparameters.items() if value is not None}
    if jobs or (data and all(JobDirectory(Path(path)).hyperparameters_file.is_file() for path in data)):
        if given or models or vary:
            raise click.UsageError("Finished jobs are compared as they are: omit all hyperparameters.")
        _show(compare_results([*map(read_job, map(Path, data)), *_remote_results(jobs, region, profile)]), directory)
        return
    if len(data) != 1:
        raise click.UsageError("Name one data folder or S3 address, or several job directories of slipway train.")
    if instance_type is None:
        for name, value in (("--dry-run", dry_run), ("--spot", spot)):
            if value:
                raise click.UsageError(f"{name} is for SageMaker: add --instance-type.")
        _compare_here(data[0], models, vary, given, directory, verbose=verbose)
        return
    variants = _variants(models, vary, given)
    recorded = DryRun() if dry_run else None
    missing = Missing(dry_run=dry_run)
    session: AnySession
    if is_local(instance_type):
        if installed_sdk() != "sdk2":
            raise SettingError(
                "slipway compare in local mode needs version 2 of the SageMaker SDK: pip install 'slipway[sdk2]'; "
                "without --instance-type, it compares on this machine"
            )
        from slipway.sdk2.estimator import Estimator as Trained

        session = local_session()
    else:
        require_in_s3(data[0])
        from slipway.estimator import Estimator as Trained  # type: ignore[assignment]  # it does the same

        session = missing.session(region, profile, recorded)
        role, image = missing.role(role), missing.image("train", image, session.boto_region_name)
        missing.require()
    inputs = _inputs(data[0], instance_type, session, assumed=dry_run)

    def start(variant: Variant, job: str) -> None:
        estimator = Trained(
            role,
            instance_type,
            image_uri=image,
            hyperparameters=dict(variant.hyperparameters),
            bucket=bucket,
            spot=spot,
            sagemaker_session=session,
        )
        estimator.fit(inputs, wait=False, job_name=job)

    if recorded is not None:
        for variant in variants:
            start(variant, job_name(variant))
        show_requests(recorded, missing)
        return
    _show(run_remotely(variants, start, session, max_parallel=max_parallel, say=say), directory)


def _compare_here(
    data: str, models: str | None, vary: tuple[str, ...], given: dict[str, str], directory: Path, *, verbose: bool
) -> None:
    from slipway.compare.here import run_variants

    weights = weights_file(given)
    variants = _variants(models, vary, given)
    channels = local_channels(Path(data), {}, weights)
    require_installed("torch", "sagemaker_training")
    check_networks(variant.hyperparameters for variant in variants)
    say(f"Comparing {len(variants)} jobs in {directory}")
    run = run_variants(variants, channels, directory, say=say, verbose=verbose)
    if run.stopped_by is not None:
        say(f"Stopped; {len(run.comparison.results)} of {len(variants)} jobs have finished.")
        say(f"Next: the same command with --comparison-dir {shlex.quote(str(directory))} continues from there")
        sys.exit(128 + run.stopped_by)
    _show(run.comparison, directory)


def _remote_results(jobs: tuple[str, ...], region: str | None, profile: str | None) -> list[Result]:
    if not jobs:
        return []
    session = AwsSession(Aws(region, profile))
    return [read_remote_job(session, job) for job in jobs]


def _inputs(data: str, instance_type: str, session: AnySession, *, assumed: bool) -> dict[str, str]:
    """The address of each channel; with `assumed`, those of the layout that `slipway data upload` makes."""
    if is_local(instance_type):
        return {name: path.resolve().as_uri() for name, path in local_channels(Path(data), {}, None).items()}
    if assumed:
        return {name: f"{data.rstrip('/')}/{name}" for name in SPLIT_FOLDERS}
    return find_s3_channels(session, data)


def _variants(models: str | None, vary: tuple[str, ...], common: Mapping[str, str]) -> tuple[Variant, ...]:
    choices = dict([parse_choices(f"{MODEL_TYPE}={models}")] if models else [])
    for text in vary:
        name, values = parse_choices(text)
        if name in choices:
            raise HyperparameterError(f"{name} is varied twice; give all its values in one --vary")
        choices[name] = values
    return make_variants(choices or {MODEL_TYPE: BASELINE}, common)


def _show(comparison: Comparison, directory: Path) -> None:
    """Print the table and write the files; exit code 1 where a job failed."""
    from slipway.compare.page import render_page

    say("")
    titles, body = rows(comparison.results)
    # Titles of two words take two lines, so that the table fits a terminal.
    say_table(body, [title.replace(" ", "\n") for title in titles], figures=range(1, len(titles)))
    say("")
    for warning in comparison.warnings:
        say(f"notice: {warning}")
    results, page = directory / _RESULTS, directory / _PAGE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        comparison.write(results)
        page.write_text(render_page(comparison), encoding="utf-8")
    except OSError as error:
        raise PageError(
            f"{error.filename} cannot be written: {error.strerror}; name another --comparison-dir"
        ) from error
    if comparison.best is not None:
        say(f"Best: {comparison.best.name}, {comparison.best.job}")
    say_place("page", page)
    say_place("figures", results)
    if comparison.failures:
        raise ComparisonError(f"without a result: {', '.join(comparison.failures)}; run the same command to retry them")
