"""`slipway train`: a training job on this machine, with the image's own launcher and a folder as /opt/ml.

With an instance type it is a job on SageMaker; see train_on_sagemaker.py.
"""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from container.errors import DataError
from container.train.hyperparameters import HYPERPARAMETERS, Hyperparameter, TrainConfig
from slipway.cli.console import say
from slipway.cli.train_on_sagemaker import SageMakerOptions, sagemaker_options, train_on_sagemaker
from slipway.dataset_folder import find_splits, require_folder
from slipway.job import JobDirectory, default_job_directory, open_job, require_installed
from slipway.training import Outcome, run_job

_WEIGHTS = "weights"


class HyperparameterOption(click.Option):
    """Sets a hyperparameter; shared settings of slipway.toml, such as the profile, are never meant for it."""


class TrainCommand(click.Command):
    """Shows the hyperparameters in a section of their own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, wanted in (("Options", False), ("Hyperparameters", True)):
            records = [
                record
                for parameter in self.get_params(ctx)
                if isinstance(parameter, click.Option)
                and isinstance(parameter, HyperparameterOption) is wanted
                and (record := parameter.get_help_record(ctx))
            ]
            with formatter.section(title):
                formatter.write_dl(records)


def hyperparameter_options(command: Callable[..., None]) -> Callable[..., None]:
    """One option for each row of the table; values are read by the table, as in a job's hyperparameters.json."""
    for row in reversed(HYPERPARAMETERS):
        command = _option(row)(command)
    return command


def _option(row: Hyperparameter) -> Callable[[Callable[..., None]], Callable[..., None]]:
    default = str(row.default).lower() if row.type is bool else row.default
    if row.name == _WEIGHTS:
        text = "A file of pretrained weights (.pth or .safetensors), default (ImageNet's) or none."
        return click.option("--weights", cls=HyperparameterOption, metavar="FILE", help=f"{text}  [default: {default}]")
    help_text = f"{row.help}  [default: {default}]"
    return click.option(f"--{row.name}", cls=HyperparameterOption, metavar=_metavar(row), help=help_text)


def _metavar(row: Hyperparameter) -> str:
    if row.choices or row.type is bool:
        return row.range.replace(", ", "|")
    return {int: "INTEGER", float: "NUMBER"}.get(row.type, "TEXT")


@click.command(
    cls=TrainCommand,
    short_help="Fine-tune a ResNet on your pictures.",
    epilog="\b\nExample:\n"
    "  slipway train dogs --epochs 10 --batch-size 32\n"
    "  slipway train --train dogs/train --validation dogs/valid --weights resnet50.pth\n"
    "  slipway train s3://my-dogs/dogImages --instance-type ml.g4dn.xlarge --spot --epochs 10",
)
@click.argument("data", required=False)
@click.option("--train", metavar="DIR", help="Folder or S3 address of the training pictures.")
@click.option("--validation", metavar="DIR", help="Folder or S3 address to evaluate epochs on.")
@click.option("--test", metavar="DIR", help="Folder or S3 address to test the best model on.")
@click.option(
    "--job-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where the job lives; an earlier job on the same data goes on from its checkpoints.  "
    "[default: slipway-jobs/TIME-MODEL]",
)
@click.option("--verbose", is_flag=True, help="Show the job's whole output; it is in DIR/train.log anyway.")
@sagemaker_options
@hyperparameter_options
def train(
    data: str | None,
    train: str | None,
    validation: str | None,
    test: str | None,
    job_dir: Path | None,
    verbose: bool,
    **others: Any,
) -> None:
    """Fine-tune a ResNet on the pictures below DATA, which has a train folder and, if you have them,
    validation (or valid) and test folders, each with one folder of pictures for each class.

    Without validation or test pictures, a tenth of train's is held out for them. Ctrl-C ends the job cleanly: the
    best model so far is kept, and the same --job-dir goes on from there.

    With --instance-type, DATA is an S3 address, and the job runs on SageMaker: there Ctrl-C ends the looking on only.
    With --instance-type local, DATA is a folder, and the job runs in Docker. All options of SageMaker's need it.
    """
    options = SageMakerOptions.take(others)
    given = {name.replace("_", "-"): value for name, value in others.items() if value is not None}
    named = {"train": train, "validation": validation, "test": test}
    if options.instance_type is not None:
        if job_dir is not None:
            raise click.UsageError("--job-dir is for jobs on this machine; leave it out, or --instance-type.")
        train_on_sagemaker(options, data, named, given, verbose=verbose)
        return
    remote = options.dry_run or options.spot or options.no_wait
    if remote or any(text and text.startswith("s3://") for text in (data, *named.values())):
        raise click.UsageError(
            "S3 addresses, --spot, --no-wait and --dry-run are for SageMaker: name an --instance-type too."
        )
    weights = _weights_file(given)
    config = TrainConfig.from_strings(given)
    folders = {name: Path(text) if text else None for name, text in named.items()}
    channels = _channels(Path(data) if data else None, folders, weights)
    require_installed("torch", "sagemaker_training")
    job = open_job(job_dir or default_job_directory(config.model_type), channels, given)
    verb = "Resuming" if job.has_checkpoints else "Starting"
    say(f"{verb} the job in {job.path}")
    outcome = run_job(job, channels, verbose=verbose)
    _summarize(job, outcome)
    if outcome.stopped_by is not None:
        sys.exit(128 + outcome.stopped_by)


def _weights_file(given: dict[str, Any]) -> Path | None:
    """Take `--weights FILE` out of the hyperparameters: a file is a channel, the words are the hyperparameter's."""
    text = given.get(_WEIGHTS, "")
    choices = next(row.choices for row in HYPERPARAMETERS if row.name == _WEIGHTS)
    if text in ("", *choices):
        return None
    path = Path(text)
    if not path.is_file():
        raise DataError(f"--weights is {text}, which is no file; it is a file of weights, or {' or '.join(choices)}")
    del given[_WEIGHTS]
    return path


def _channels(data_dir: Path | None, named: dict[str, Path | None], weights: Path | None) -> dict[str, Path]:
    """The folder of each channel, from the data's folder and the options, which count for more."""
    channels = find_splits(data_dir) if data_dir else {}
    for name, path in named.items():
        if path is not None:
            require_folder(path)
            channels[name] = path
    if "train" not in channels:
        if data_dir is None:
            raise click.UsageError("Name the data: DATA with a train folder in it, or --train DIR.")
        found = sorted(path.name for path in data_dir.iterdir() if path.is_dir())
        raise DataError(
            f"there is no train folder in {data_dir}; its folders are: {', '.join(found[:8]) or 'none'}. "
            f"If they are the classes themselves, use --train {data_dir}"
        )
    if weights is not None:
        channels[_WEIGHTS] = weights
    return channels


def _summarize(job: JobDirectory, outcome: Outcome) -> None:
    if outcome.stopped_by is not None:
        say(f"Stopped. The best model so far is {job.archive}")
        say(f"Next: the same command with --job-dir {shlex.quote(str(job.path))} goes on from the last checkpoint")
        return
    if outcome.test is not None:
        test = outcome.test
        say(f"Test accuracy {test.accuracy:.2f} % ({test.correct} of {test.total} pictures)")
    say(f"  model    {job.archive}")
    for report in sorted(job.layout.output_data.glob("*.html")):
        say(f"  report   {report}")
    say(f"  metrics  {job.layout.output_data}")
    say(f"  log      {job.log}")
    say(f"Next: slipway serve {shlex.quote(str(job.path))}, and in another terminal: slipway predict PICTURE")
