"""`slipway compare`: trains variants (architectures, or values of any hyperparameter) alike, and compares them."""

from pathlib import Path

import click

from slipway.aws.session import is_local
from slipway.compare.comparison import compare as compare_results
from slipway.compare.places import (
    Place,
    Plan,
    compare_here,
    compare_in_docker,
    compare_on_sagemaker,
    remote_results,
    show_comparison,
)
from slipway.compare.result import read_job
from slipway.compare.variants import BASELINE, MODEL_TYPE
from slipway.options.aws import (
    chosen_type,
    dry_run_option,
    instance_type_option,
    profile_option,
    refuse_here,
    region_option,
    role_option,
    training_image_option,
)
from slipway.options.cloud import CLOUD_NAMES, CloudOptions, cloud_options, max_run_option
from slipway.options.hyperparameters import HyperparameterCommand, hyperparameter_options
from slipway.options.names import tuning_job_name
from slipway.options.result import json_option
from slipway.processes.job import JobDirectory, default_job_directory
from slipway.terminal.console import messages_aside

# The first is what is compared; the others inspect a single job.
_NOT_COMMON = (MODEL_TYPE, "profile", "debug")

_NOT_HERE = (*CLOUD_NAMES, "name", "spot", "dry_run", "max_run", "max_parallel")


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
@json_option("the comparison, which comparison.json has too,")
@instance_type_option("Train")
@click.option(
    "--max-parallel", type=click.IntRange(1), default=2, show_default=True, help="SageMaker jobs to run at once."
)
@click.option("--spot", is_flag=True, help="Managed spot training, with checkpoints in S3.")
@click.option(
    "--name", metavar="PREFIX", callback=tuning_job_name, help="Prefix of the jobs' names.  [default: slipway]"
)
@training_image_option
@cloud_options
@max_run_option
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
    as_json: bool,
    instance_type: str | None,
    max_parallel: int,
    spot: bool,
    name: str | None,
    image: str | None,
    cloud: CloudOptions,
    max_run: int | None,
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
    with messages_aside(as_json and not dry_run) as show:
        print_json = show if as_json else None
        directory = comparison_dir or default_job_directory("comparison")
        given = {name.replace("_", "-"): value for name, value in hyperparameters.items() if value is not None}
        if jobs or (data and all(JobDirectory(Path(path)).hyperparameters_file.is_file() for path in data)):
            if given or models or vary:
                raise click.UsageError("Finished jobs are compared as they are: omit all hyperparameters.")
            found = [*map(read_job, map(Path, data)), *remote_results(jobs, region, profile)]
            show_comparison(compare_results(found), directory, print_json)
            return
        if len(data) != 1:
            raise click.UsageError("Name one data folder or S3 address, or several job directories of slipway train.")
        plan = Plan(
            data=data[0],
            models=models,
            vary=vary,
            given=given,
            directory=directory,
            verbose=verbose,
            print_json=print_json,
        )
        instance_type = chosen_type(instance_type, data[0])
        if instance_type is None:
            refuse_here(_NOT_HERE)
            compare_here(plan)
            return
        place = Place(
            instance_type=instance_type,
            name=name or "slipway",
            image=image,
            role=role,
            region=region,
            profile=profile,
            cloud=cloud,
            max_run=max_run,
            spot=spot,
        )
        if is_local(instance_type):
            if dry_run:
                raise click.UsageError("--dry-run shows requests to AWS, and local mode makes none.")
            compare_in_docker(plan, place)
        else:
            compare_on_sagemaker(plan, place, max_parallel=max_parallel, dry_run=dry_run)
