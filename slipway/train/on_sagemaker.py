"""`slipway train --instance-type`: runs the job on SageMaker, or in Docker on this machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from container.contract.hyperparameters import TrainConfig
from slipway.aws.console_address import console_address
from slipway.aws.dry_run import DryRun
from slipway.aws.session import AnySession, is_local
from slipway.aws.training_job import told_when_interrupted
from slipway.datasets.folder import SPLIT_FOLDERS, data_channels
from slipway.datasets.s3_channels import find_s3_channels
from slipway.hosts.fit import image_for
from slipway.options.aws import (
    dry_run_option,
    instance_type_option,
    region_option,
    role_option,
    show_requests,
    training_image_option,
)
from slipway.options.channels import weights_channel
from slipway.options.cloud import CLOUD_NAMES, CloudOptions, cloud_options, max_run_option
from slipway.options.names import job_name
from slipway.options.result import Result
from slipway.requests.missing import Missing
from slipway.terminal.console import say
from slipway.terminal.job_log import JobLog
from slipway.train.docker import train_in_docker

if TYPE_CHECKING:
    from slipway.training.estimator_base import EstimatorBase

_NO_DATA = "Name the data: DATA with a train folder in it, or --train."

_OPTIONS = (
    instance_type_option("Train"),
    click.option("--name", metavar="NAME", callback=job_name, help="Name of the job.  [default: made from the time]"),
    click.option("--instance-count", type=click.IntRange(1), default=1, show_default=True, help="Number of instances."),
    click.option("--spot", is_flag=True, help="Managed spot training, with checkpoints: cheaper, may take longer."),
    training_image_option,
    role_option,
    region_option,
    # --profile is a hyperparameter here.
    click.option("--aws-profile", metavar="NAME", envvar="SLIPWAY_PROFILE", help="Profile of ~/.aws/config."),
    dry_run_option,
    click.option("--no-wait", is_flag=True, help="Start the job without waiting for it."),
    max_run_option,
    click.option("--volume-size", type=click.IntRange(1), metavar="GB", help="Disk of each instance.  [default: 30]"),
    cloud_options,
    click.option(
        "--keep-alive",
        type=click.IntRange(1),
        metavar="SECONDS",
        help="Keep the instances warm for this many seconds after the job (warm pool).",
    ),
    click.option("--tensorboard", is_flag=True, help="Write TensorBoard event files to the bucket."),
    click.option(
        "--rule",
        "rules",
        multiple=True,
        metavar="NAME",
        help="Attach a built-in SageMaker Debugger rule, such as VanishingGradient; repeatable. AWS has closed "
        "Debugger to new customers on 30 July 2026; slipway debug runs the same rules without it.",
    ),
    click.option(
        "--price-per-hour",
        type=click.FloatRange(0),
        metavar="PRICE",
        help="Price of one instance, to show what the job cost.",
    ),
)


NOT_HERE = (
    *CLOUD_NAMES,
    *("instance_count", "name", "spot", "dry_run", "no_wait", "max_run", "volume_size", "keep_alive"),
    *("tensorboard", "rules", "price_per_hour"),
)
"""Options that need an instance type."""


@dataclass(frozen=True, kw_only=True)
class SageMakerOptions:
    """The options of `slipway train` for SageMaker."""

    instance_type: str | None
    instance_count: int
    spot: bool
    name: str | None
    image: str | None
    role: str | None
    region: str | None
    aws_profile: str | None
    dry_run: bool
    no_wait: bool
    max_run: int | None
    volume_size: int | None
    cloud: CloudOptions
    keep_alive: int | None
    tensorboard: bool
    rules: tuple[str, ...]
    price_per_hour: float | None

    @classmethod
    def take(cls, given: dict[str, Any]) -> "SageMakerOptions":
        """Remove these options from a command's, and return them."""
        return cls(**{field.name: given.pop(field.name) for field in fields(cls)})

    def arguments(self) -> dict[str, Any]:
        """Arguments of `Estimator`; an option that is not given is omitted, so that the default holds."""
        found = {
            "instance_type": self.instance_type,
            "instance_count": self.instance_count,
            "rules": self.rules,
            "spot": self.spot,
            "tensorboard": self.tensorboard,
            "max_run": self.max_run,
            "volume_size": self.volume_size,
            "keep_alive_period_in_seconds": self.keep_alive,
            **self.cloud.estimator_arguments(self.instance_type),
        }
        return {name: value for name, value in found.items() if value is not None}


def sagemaker_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `SageMakerOptions` to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def train_on_sagemaker(
    options: SageMakerOptions,
    data: str | None,
    named: Mapping[str, str | None],
    hyperparameters: dict[str, str],
    answer: Result,
    *,
    job_dir: Path | None,
    verbose: bool,
) -> None:
    """Start the job, follow it until it ends, and say what it cost and where the model is.

    Args:
        options: With an instance type.
        data: S3 address or folder with a folder for each channel.
        named: Addresses or folders by channel; they override those below `data`.
        hyperparameters: As given; a file of weights becomes a channel.
        answer: Keeps the result.
        job_dir: Folder for the outputs in local mode; None: slipway-jobs/JOB.
        verbose: Show the job's full log.

    Raises:
        UserError: As `Estimator` and its `fit`.
    """
    local = is_local(options.instance_type)
    if local and options.dry_run:
        raise click.UsageError("--dry-run shows requests to AWS, and local mode makes none.")
    if job_dir is not None and not local:
        raise click.UsageError("--job-dir is for jobs on this machine; on SageMaker outputs go to the --bucket.")
    config = TrainConfig.from_strings({k: v for k, v in hyperparameters.items() if k != "weights"})
    named = {**named, **weights_channel(hyperparameters)}
    if local:
        from slipway.terminal.training_view import training_view

        given = {name: text for name, text in named.items() if text}
        if not data and not given:
            raise click.UsageError(_NO_DATA)
        with training_view(config.epochs, verbose=verbose) as view:
            log = JobLog(view.show, verbose=verbose)
            train_in_docker(
                options, data, given, hyperparameters, job_dir, log, answer, slug=config.slug, verbose=verbose
            )
        return
    from slipway.training.estimator import Estimator

    recorded = DryRun() if options.dry_run else None
    missing = Missing(dry_run=options.dry_run)
    session = missing.session(options.region, options.aws_profile, recorded)
    image = image_for("train", options.image, session.boto_region_name, "training", options.instance_type)
    estimator = Estimator(
        **options.arguments(),
        role=missing.role(options.role),
        image_uri=missing.image("train", image, session.boto_region_name),
        hyperparameters=hyperparameters,
        sagemaker_session=session,
    )
    missing.require()
    channels = {**_below(data, session, assumed=options.dry_run), **{k: v for k, v in named.items() if v}}
    if not channels:
        raise click.UsageError(_NO_DATA)
    estimator.fit(channels, wait=False, job_name=options.name)
    if recorded is not None:
        show_requests(recorded, missing, answer)
        return
    name = str(estimator.job_name)
    with told_when_interrupted(name, session.boto_region_name):
        # Only here: it needs rich, which takes long to import.
        from slipway.terminal.training_view import training_view

        say(f"Started the training job {name}")
        answer.add(job=name, arn=estimator.latest_training_job.arn, status="InProgress")  # type: ignore[union-attr]
        answer.place("console", console_address("training job", name, session.boto_region_name))
        if options.no_wait:
            answer.next(f"slipway logs {name} --follow", "slipway jobs")
            return
        with training_view(config.epochs, verbose=verbose) as view:
            log = JobLog(view.show, verbose=verbose)
            estimator.wait(log.show)
    answer.add(status="Completed", test=log.print_test())
    if (cost := estimator.cost) is not None:
        say(f"Done: {cost.describe(options.price_per_hour)}")
        answer.add(billable_s=cost.billable_s, training_s=cost.training_s, instance_count=cost.instance_count)
        answer.add(cost=cost.price(options.price_per_hour))
    answer.place("model", estimator.model_data)
    print_debugger_results(estimator, answer)
    answer.next(f"slipway deploy {name} --instance-type {options.instance_type}")


def print_debugger_results(estimator: "EstimatorBase", answer: Result) -> None:
    """Print what the rules found, where SageMaker put the tensors and measurements, and which commands read them."""
    if (outputs := estimator.debugger_outputs()) is None:
        return
    evaluations = estimator.rule_summary()
    answer.place("outputs", outputs.archive)
    if outputs.tensors:
        answer.place("tensors", outputs.tensors)
    if outputs.profiler:
        answer.place("profiler", outputs.profiler)
    for evaluation in evaluations:
        answer.place("rule", evaluation.describe(), several=True)
    if outputs.report:
        answer.place("report", outputs.report, several=True)
    if not all(evaluation.ended for evaluation in evaluations):
        say(f'  Rules run on after the job; for their results: Estimator.attach("{estimator.job_name}").rule_summary()')
    if outputs.tensors:
        answer.next(f"slipway debug {outputs.tensors}")
    if outputs.profiler:
        answer.next(f"slipway report {outputs.profiler}")


def _below(data: str | None, session: AnySession | None, *, assumed: bool) -> dict[str, str]:
    """The channels below an address or a folder."""
    if data is None:
        return {}
    if not data.startswith("s3://"):
        return {name: str(path) for name, path in data_channels(Path(data)).items()}
    if assumed or session is None:
        # A dry run does not look into S3.
        return {split: f"{data.rstrip('/')}/{names[0]}" for split, names in SPLIT_FOLDERS.items()}
    return find_s3_channels(session, data)
