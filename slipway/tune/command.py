"""`slipway tune`: searches hyperparameters on this machine, on SageMaker, or as a Weights & Biases sweep."""

from pathlib import Path

import click

from slipway.aws.dry_run import DryRun
from slipway.aws.session import is_local
from slipway.errors import SettingError
from slipway.hosts.fit import image_for
from slipway.options.aws import (
    chosen_type,
    dry_run_option,
    instance_type_option,
    profile_option,
    refuse_here,
    region_option,
    require_in_s3,
    role_option,
    show_requests,
    training_image_option,
)
from slipway.options.cloud import CLOUD_NAMES, CloudOptions, cloud_options, max_run_option
from slipway.options.hyperparameters import HyperparameterCommand, hyperparameter_options
from slipway.options.names import tuning_job_name
from slipway.options.result import json_option
from slipway.requests.missing import Missing
from slipway.requests.objective import DEFAULT_OBJECTIVE
from slipway.requests.search_space import DEFAULT_SPACE
from slipway.terminal.console import messages_aside
from slipway.tune.places import (
    PAGE,
    Remote,
    make_search,
    read_trials,
    show_trials,
    tune_here,
    tune_on_sagemaker,
    write_sweep,
)
from slipway.tuning.strategy import DEFAULT_MAX_JOBS, DEFAULT_MAX_PARALLEL_JOBS, STRATEGIES, Strategy
from slipway.tuning.tuner_base import NOT_LOCALLY

# This command has options with the names of the first two; the third inspects a single job.
_NOT_FIXED = ("wandb", "profile", "debug")

_NOT_HERE = (
    *CLOUD_NAMES,
    *("name", "spot", "dry_run", "no_wait", "max_run", "parents", "transfer", "max_parallel"),
)

_DEFAULT_RANGES = "; ".join(f"{name}={entry}" for name, entry in DEFAULT_SPACE.items())


@click.command(
    cls=HyperparameterCommand,
    epilog="\b\nExample:\n"
    "  slipway tune dogs --max-jobs 10 --range epochs=5:10\n"
    "  slipway tune s3://my-dogs/dogImages --instance-type ml.g4dn.xlarge\n"
    "  slipway tune dogs --wandb\n"
    "  slipway tune --report slipway-jobs/2026-11-24-101500-study",
)
@click.argument("data", required=False)
@click.option(
    "--range",
    "ranges",
    metavar="NAME=VALUES",
    multiple=True,
    help="Range to search: NAME=LOW:HIGH, NAME=LOW:HIGH:log or NAME=VALUE,VALUE; repeatable.  "
    f"[default: {_DEFAULT_RANGES}]",
)
@click.option(
    "--strategy", type=click.Choice(STRATEGIES), default="Bayesian", show_default=True, help="Search strategy."
)
@click.option(
    "--objective", "metric", metavar="METRIC", default=DEFAULT_OBJECTIVE, show_default=True, help="Metric to optimize."
)
@click.option(
    "--max-jobs",
    type=click.IntRange(1),
    help=f"Number of trials.  [default: {DEFAULT_MAX_JOBS}; for Grid, every combination]",
)
@click.option(
    "--max-parallel",
    type=click.IntRange(1),
    default=DEFAULT_MAX_PARALLEL_JOBS,
    show_default=True,
    help="Training jobs to run at once on SageMaker; on this machine always one.",
)
@click.option(
    "--early-stopping",
    type=click.Choice(("Auto", "Off")),
    help="Stop trials that fall behind.  [default: Auto; Hyperband has its own]",
)
@click.option(
    "--warm-start",
    "parents",
    metavar="JOB",
    multiple=True,
    help="Start from the results of this tuning job on SageMaker; repeatable.",
)
@click.option("--transfer", is_flag=True, help="The data or the ranges differ from the --warm-start job's.")
@click.option(
    "--study-dir",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the trials on this machine; continues an earlier study on the same data.  "
    "[default: slipway-jobs/TIME-study]",
)
@click.option(
    "--keep-models", is_flag=True, help="Keep the model and checkpoints of every trial, not only of the best."
)
@click.option("--verbose", is_flag=True, help="Show the full output of trials on this machine.")
@click.option("--wandb", "as_sweep", is_flag=True, help="Only write sweep.yaml for a Weights & Biases sweep.")
@click.option(
    "--report",
    metavar="JOB|DIR",
    help="Only show the trials of a tuning job on SageMaker or of a study directory.",
)
@json_option("the trials")
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"HTML page of the trials.  [default: {PAGE}, in the study directory]",
)
@instance_type_option("Tune")
@click.option("--spot", is_flag=True, help="Managed spot training.")
@click.option(
    "--name", metavar="NAME", callback=tuning_job_name, help="Name of the tuning job.  [default: made from the time]"
)
@training_image_option
@cloud_options
@max_run_option
@click.option("--no-wait", is_flag=True, help="Start the tuning job on SageMaker without waiting for it.")
@role_option
@region_option
@profile_option
@dry_run_option
@hyperparameter_options(without=_NOT_FIXED)
def tune(
    data: str | None,
    ranges: tuple[str, ...],
    strategy: Strategy,
    metric: str,
    max_jobs: int | None,
    max_parallel: int,
    early_stopping: str | None,
    parents: tuple[str, ...],
    transfer: bool,
    study_dir: Path | None,
    keep_models: bool,
    verbose: bool,
    as_sweep: bool,
    report: str | None,
    as_json: bool,
    output: Path | None,
    instance_type: str | None,
    spot: bool,
    name: str | None,
    image: str | None,
    cloud: CloudOptions,
    max_run: int | None,
    no_wait: bool,
    role: str | None,
    region: str | None,
    profile: str | None,
    dry_run: bool,
    **hyperparameters: str | None,
) -> None:
    """Train on DATA many times with different hyperparameters, and find those with the best objective.

    DATA is as for slipway train. On this machine the trials run one after another; after Ctrl-C, the same command with
    --study-dir continues. Only the best trial keeps its model. With --instance-type, DATA is an S3 address, and
    SageMaker runs the tuning job. A hyperparameter that is given has that value in all trials.
    """
    if as_json and as_sweep:
        raise click.UsageError("--json prints the trials, and a sweep has none yet: omit it, or --wandb.")
    with messages_aside(as_json and not dry_run) as show:
        print_json = show if as_json else None
        if report is not None:
            tuning = read_trials(report, region, profile)
            show_trials(
                tuning, output or (Path(report) / PAGE if Path(report).is_dir() else Path(f"{report}.html")), print_json
            )
            return
        if data is None:
            raise click.UsageError("Name the data: a folder with a train folder in it, or an S3 address.")
        search = make_search(hyperparameters, ranges, strategy, metric, early_stopping, max_jobs)
        if as_sweep:
            write_sweep(data, search, output)
        elif (instance_type := chosen_type(instance_type, data)) is None:
            refuse_here(_NOT_HERE)
            tune_here(data, search, study_dir, output, verbose=verbose, keep_models=keep_models, print_json=print_json)
        else:
            if is_local(instance_type):
                raise SettingError(NOT_LOCALLY)
            require_in_s3(data)
            recorded = DryRun() if dry_run else None
            missing = Missing(dry_run=dry_run)
            session = missing.session(region, profile, recorded)
            role = missing.role(role)
            image = image_for("train", image, session.boto_region_name, "training", instance_type)
            image = missing.image("train", image, session.boto_region_name)
            missing.require()
            remote = Remote(
                estimator={
                    "role": role,
                    "instance_type": instance_type,
                    "image_uri": image,
                    "spot": spot,
                    "max_run": max_run,
                    **cloud.estimator_arguments(instance_type),
                },
                name=name,
                tags=cloud.api_tags(),
                max_parallel=max_parallel,
                parents=parents,
                transfer=transfer,
                session=session,
            )
            tune_on_sagemaker(data, search, remote, output, recorded, wait=not no_wait, print_json=print_json)
            if recorded is not None:
                show_requests(recorded, missing)
