"""The work of `slipway compare`: on this machine, in Docker, on SageMaker; and its output."""

import json
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from container.contract.errors import HyperparameterError
from container.contract.hyperparameters import TrainConfig
from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.session import AwsSession
from slipway.compare.comparison import Comparison, Run
from slipway.compare.remote import job_name, read_remote_job, run_remotely
from slipway.compare.result import Result
from slipway.compare.table import rows
from slipway.compare.variants import BASELINE, MODEL_TYPE, Variant, make_variants, parse_choices
from slipway.datasets.folder import SPLIT_FOLDERS
from slipway.datasets.s3_channels import find_s3_channels
from slipway.errors import JobFailedError, PageError
from slipway.hosts.fit import image_for
from slipway.options.aws import require_in_s3, show_requests
from slipway.options.channels import local_channels, weights_channel, weights_file
from slipway.options.cloud import CloudOptions
from slipway.options.local_mode import NOT_FOR_TRAINING, DockerJobs, new_directory, refuse_given
from slipway.processes.job import require_installed
from slipway.processes.networks import check_networks
from slipway.requests.missing import Missing
from slipway.terminal.console import say, say_place, say_table
from slipway.terminal.job_log import JobLog

if TYPE_CHECKING:
    from slipway.local import Trained

_RESULTS = "comparison.json"
_PAGE = "comparison.html"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to train, wherever it runs."""

    data: str
    models: str | None
    vary: tuple[str, ...]
    given: Mapping[str, str]
    """Hyperparameters of all jobs."""
    directory: Path
    verbose: bool
    print_json: Callable[[str], None] | None
    """Prints the comparison; None: it is shown as a table."""

    def variants(self, common: Mapping[str, str]) -> tuple[Variant, ...]:
        """Build every combination.

        Args:
            common: The hyperparameters without a file of weights.

        Raises:
            HyperparameterError: They cannot be compared.
        """
        choices = dict([parse_choices(f"{MODEL_TYPE}={self.models}")] if self.models else [])
        for text in self.vary:
            name, values = parse_choices(text)
            if name in choices:
                raise HyperparameterError(f"{name} is varied twice; give all its values in one --vary")
            choices[name] = values
        return make_variants(choices or {MODEL_TYPE: BASELINE}, common)


@dataclass(frozen=True, kw_only=True)
class Place:
    """The options for where the jobs run: in Docker here or on SageMaker."""

    instance_type: str
    name: str
    """Prefix of the jobs' names."""
    image: str | None
    role: str | None
    region: str | None
    profile: str | None
    cloud: CloudOptions
    max_run: int | None
    spot: bool
    instance_count: int = 1


def compare_here(plan: Plan) -> None:
    """Train as processes of this machine, and show the results; exit if a signal stopped it."""
    from slipway.compare.here import run_variants

    common = dict(plan.given)
    weights = weights_file(common)
    variants = plan.variants(common)
    channels = local_channels(Path(plan.data), {}, weights)
    require_installed("torch", "sagemaker_training")
    check_networks(variant.hyperparameters for variant in variants)
    say(f"Comparing {len(variants)} jobs in {plan.directory}")
    run = run_variants(variants, channels, plan.directory, say=say, verbose=plan.verbose)
    _exit_if_stopped(
        run,
        len(variants),
        f"the same command with --comparison-dir {shlex.quote(str(plan.directory))} continues from there",
    )
    again = f"the same command with --comparison-dir {shlex.quote(str(plan.directory))} tries again"
    show_comparison(run.comparison, plan.directory, plan.print_json, again)


def compare_in_docker(plan: Plan, place: Place) -> None:
    """Train in the image, in Docker on this machine, and show the results; exit if Ctrl-C stopped it.

    Raises:
        UserError: As `slipway.local.train`, or an option is not for local mode.
    """
    from slipway.compare.docker import run_in_docker
    from slipway.terminal.training_view import training_view

    refuse_given((*NOT_FOR_TRAINING, "max_parallel"), "runs one job after another")
    common = dict(plan.given)
    named = weights_channel(common)
    variants = plan.variants(common)
    jobs = DockerJobs.planned(place, plan.data, named, region=place.region, profile=place.profile)
    directory = new_directory(plan.directory, "--comparison-dir")

    def train(variant: Variant, folder: Path) -> "Trained":
        epochs = TrainConfig.from_strings(variant.hyperparameters).epochs
        with training_view(epochs, verbose=plan.verbose) as view:
            log = JobLog(view.show, verbose=plan.verbose)
            return jobs.train(job_name(variant, place.name), variant.hyperparameters, folder, log.show)

    say(f"Comparing {len(variants)} jobs in {directory}")
    try:
        run = run_in_docker(variants, train, directory, place=f"1 x {place.instance_type}", say=say)
    except KeyboardInterrupt:
        say("Stopped at once; nothing is kept of the job that ran")
        sys.exit(130)
    _exit_if_stopped(run, len(variants), "local mode cannot resume; start again with another --comparison-dir")
    show_comparison(run.comparison, directory, plan.print_json)


def compare_on_sagemaker(plan: Plan, place: Place, *, max_parallel: int, dry_run: bool) -> None:
    """Train on SageMaker, several jobs at a time, and show the results; a dry run shows the requests only.

    Raises:
        UserError: As `slipway.training.estimator.Estimator` and its `fit`, or every job failed.
    """
    from slipway.training.estimator import Estimator

    require_in_s3(plan.data)
    common = dict(plan.given)
    named = weights_channel(common)
    variants = plan.variants(common)
    recorded = DryRun() if dry_run else None
    missing = Missing(dry_run=dry_run)
    session = missing.session(place.region, place.profile, recorded)
    role = missing.role(place.role)
    pushed = image_for("train", place.image, session.boto_region_name, "training", place.instance_type)
    image = missing.image("train", pushed, session.boto_region_name)
    missing.require()
    channels = (
        # A dry run does not look into S3.
        {name: f"{plan.data.rstrip('/')}/{name}" for name in SPLIT_FOLDERS}
        if dry_run
        else find_s3_channels(session, plan.data)
    )

    def start(variant: Variant, job: str) -> None:
        estimator = Estimator(
            role,
            place.instance_type,
            image_uri=image,
            hyperparameters=dict(variant.hyperparameters),
            spot=place.spot,
            max_run=place.max_run,
            **place.cloud.estimator_arguments(place.instance_type),
            sagemaker_session=session,
        )
        estimator.fit({**channels, **named}, wait=False, job_name=job)

    if recorded is not None:
        for variant in variants:
            start(variant, job_name(variant, place.name))
        show_requests(recorded, missing)
        return
    found = run_remotely(variants, start, session, name=place.name, max_parallel=max_parallel, say=say)
    show_comparison(found, plan.directory, plan.print_json)


def remote_results(jobs: tuple[str, ...], region: str | None, profile: str | None) -> list[Result]:
    """Read jobs on SageMaker that have ended.

    Raises:
        UserError: There is no such job, it did not complete, or AWS refuses.
    """
    if not jobs:
        return []
    session = AwsSession(Aws(region, profile))
    return [read_remote_job(session, job) for job in jobs]


def show_comparison(
    comparison: Comparison, directory: Path, print_json: Callable[[str], None] | None, remedy: str = ""
) -> None:
    """Print the table or JSON, and write the files.

    Args:
        comparison: With at least one result.
        directory: Folder for the files.
        print_json: Prints the comparison; None: it is shown as a table.
        remedy: What to do about jobs without a result.

    Raises:
        PageError: They cannot be written.
        JobFailedError: A job has no result.
    """
    from slipway.compare.page import render_page

    if print_json is not None:
        print_json(json.dumps(comparison.to_json(), ensure_ascii=False))
    else:
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
    if (best := comparison.best) is not None and (verdict := comparison.verdict) is not None:
        say(f"Best: {best.name}, {best.job}" if verdict.winner else verdict.summary)
    say_place("page", page)
    say_place("figures", results)
    if comparison.failures:
        raise JobFailedError("; ".join(filter(None, (f"without a result: {', '.join(comparison.failures)}", remedy))))


def _exit_if_stopped(run: Run, count: int, following: str) -> None:
    if run.stopped_by is not None:
        say(f"Stopped; {len(run.comparison.results)} of {count} jobs have finished.")
        say(f"Next: {following}")
        sys.exit(128 + run.stopped_by)
