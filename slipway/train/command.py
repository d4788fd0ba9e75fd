"""`slipway train`: runs a training job on this machine, with the image's launcher and a folder as /opt/ml.

With an instance type it runs on SageMaker; see on_sagemaker.py.
"""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from container.contract.hyperparameters import TrainConfig
from slipway.options.aws import chosen_type, refuse_here
from slipway.options.channels import local_channels, weights_file
from slipway.options.hyperparameters import HyperparameterCommand, hyperparameter_options
from slipway.options.result import Result, json_option, result
from slipway.processes.job import JobDirectory, default_job_directory, open_job, require_installed
from slipway.terminal.console import say
from slipway.train.on_sagemaker import NOT_HERE, SageMakerOptions, sagemaker_options, train_on_sagemaker

if TYPE_CHECKING:
    from slipway.processes.training import Outcome


@click.command(
    cls=HyperparameterCommand,
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
    help="The job's folder; an earlier job on the same data resumes from its checkpoints. In local mode: a new or "
    "empty folder for the outputs.  [default: slipway-jobs/TIME-MODEL]",
)
@click.option("--verbose", is_flag=True, help="Show the job's full output; DIR/train.log always has it.")
@json_option("the job, its result and where that is")
@sagemaker_options
@hyperparameter_options()
def train(
    data: str | None,
    train: str | None,
    validation: str | None,
    test: str | None,
    job_dir: Path | None,
    verbose: bool,
    as_json: bool,
    **others: Any,
) -> None:
    """Fine-tune a ResNet on the pictures below DATA, which has a train folder and optionally validation (or valid)
    and test folders, each with one folder of pictures per class.

    Without validation or test pictures, a tenth of the training pictures is held out for each. Ctrl-C stops the job
    cleanly: the best model so far is kept, and the same --job-dir resumes from there.

    With --instance-type, DATA is an S3 address, and the job runs on SageMaker; there, Ctrl-C only stops following the
    log; the job keeps running and costing money. With --instance-type local, DATA is a folder, and the job runs in
    Docker. The options for SageMaker need --instance-type.
    """
    with result(as_json) as answer:
        options = SageMakerOptions.take(others)
        given = {name.replace("_", "-"): value for name, value in others.items() if value is not None}
        named = {"train": train, "validation": validation, "test": test}
        options = replace(options, instance_type=chosen_type(options.instance_type, data, *named.values()))
        if options.instance_type is not None:
            train_on_sagemaker(options, data, named, given, answer, job_dir=job_dir, verbose=verbose)
            return
        refuse_here(NOT_HERE)
        if any(text and text.startswith("s3://") for text in (data, *named.values())):
            raise click.UsageError("S3 addresses are for SageMaker: add --instance-type.")
        from slipway.processes.training import run_job  # only here: it needs more of the system than jobs in AWS do

        weights = weights_file(given)
        config = TrainConfig.from_strings(given)
        folders = {name: Path(text) if text else None for name, text in named.items()}
        channels = local_channels(Path(data) if data else None, folders, weights)
        require_installed("torch", "sagemaker_training")
        job = open_job(job_dir or default_job_directory(config.model_type), channels, given)
        verb = "Resuming" if job.has_checkpoints else "Starting"
        say(f"{verb} the job in {job.path}")
        answer.add(job_dir=str(job.path))
        outcome = run_job(job, channels, verbose=verbose)
        _summarize(job, outcome, answer)
        if outcome.stopped_by is not None:
            sys.exit(128 + outcome.stopped_by)


def _summarize(job: JobDirectory, outcome: "Outcome", answer: Result) -> None:
    if outcome.stopped_by is not None:
        say(f"Stopped. The best model so far is {job.archive}")
        answer.add(status="Stopped", model=str(job.archive))
        say(f"Next: the same command with --job-dir {shlex.quote(str(job.path))} resumes from the last checkpoint")
        return
    if outcome.test is not None:
        test = outcome.test
        say(f"Test accuracy {test.accuracy:.2f} % ({test.correct} of {test.total} pictures)")
        answer.add(test={"accuracy": test.accuracy, "correct": test.correct, "total": test.total})
    answer.add(status="Completed")
    answer.place("model", job.archive)
    for report in sorted(job.layout.output_data.glob("*.html")):
        answer.place("report", report, several=True)
    answer.place("metrics", job.layout.output_data)
    answer.place("log", job.log)
    if job.layout.tensors.is_dir():
        answer.next(f"slipway debug {shlex.quote(str(job.path))}")
    answer.next(
        f"slipway serve {shlex.quote(str(job.path))}", "slipway predict PICTURE", between=", and in another terminal: "
    )
