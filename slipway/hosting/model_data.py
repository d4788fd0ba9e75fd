"""Locates an endpoint's model: on this machine, in S3, or from a training job."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.aws.refusals import AwsError, explained
from slipway.aws.s3_address import S3Address
from slipway.aws.session import answered_here
from slipway.aws.training_job import failure_text
from slipway.errors import ArchiveError, JobError, RemoteJobError
from slipway.files.archive import pack_model, unpack_model
from slipway.processes.serving import model_files_directory
from slipway.requests.names import new_name

if TYPE_CHECKING:
    from slipway.aws.session import AnySession

# Larger than any model, for a single request, which a dry run can show.
_ONE_REQUEST_BYTES = 5 * 1024**3

_MISSING = ("404", "NoSuchKey", "NoSuchBucket")


def unpacked(path: Path, scratch: Path) -> Path:
    """Return the model directory of a path, unpacking an archive into `scratch`, for local mode.

    The SDK would unpack an archive in place, and expose everything beside it to the container.

    Args:
        path: A model.tar.gz, a model directory, or a job directory.
        scratch: An empty folder for an archive's content.

    Raises:
        JobError: There is no such path, or no model in the directory.
        ArchiveError: The archive is damaged or holds something else.
    """
    _require(path)
    if path.is_dir():
        return model_files_directory(path).resolve()
    unpack_model(path, scratch)
    return scratch


def upload(session: "AnySession", path: Path, bucket: str) -> S3Address:
    """Upload a local model to s3://BUCKET/jobs/models/; return its address.

    Args:
        session: Credentials and region.
        path: As for `unpacked`.
        bucket: An existing bucket.

    Raises:
        JobError: As for `unpacked`.
        ArchiveError: As for `unpacked`.
        ServiceError: AWS refuses.
    """
    from boto3.s3.transfer import TransferConfig  # only here: dry runs do not wait for it

    _require(path)
    whole = TransferConfig(multipart_threshold=_ONE_REQUEST_BYTES)
    name = path.resolve().name.removesuffix(".tar.gz")[:40]
    place = S3Address(bucket, f"jobs/models/{new_name(name)}/model.tar.gz")
    with tempfile.TemporaryDirectory(prefix="slipway-model-") as scratch:
        archive = path
        if path.is_dir():
            archive = Path(scratch) / "model.tar.gz"
            pack_model(model_files_directory(path), archive)
        else:
            # A damaged archive must fail here, not minutes later on an instance.
            unpack_model(path, Path(scratch))
        with explained(f"uploading the model to {place}"):
            session.boto_session.client("s3").upload_file(str(archive), place.bucket, place.key, Config=whole)
    return place


def require_in_s3(session: "AnySession", address: str) -> None:
    """Check that an archive exists in S3.

    Raises:
        ArchiveError: There is no such archive.
        ServiceError: AWS refuses.
    """
    place = S3Address.parse(address)
    if answered_here(session, "HeadObject"):
        return
    try:
        with explained(f"looking for the model {place}"):
            session.boto_session.client("s3").head_object(Bucket=place.bucket, Key=place.key)
    except AwsError as error:
        if error.code not in _MISSING:
            raise
        raise ArchiveError(f"there is no model at {place}; name the model.tar.gz that a training job left") from error


def model_of_job(session: "AnySession", job: str) -> tuple[str, dict[str, Any]]:
    """Look up a training job's model in S3, and the job's role, VPC and network isolation as arguments of `Model`.

    Raises:
        RemoteJobError: The job failed (the message has its reason), or has no model yet.
        ServiceError: There is no such job, or AWS refuses.
    """
    with explained(f"looking at the training job {job}"):
        description = session.sagemaker_client.describe_training_job(TrainingJobName=job)
    artifacts = description.get("ModelArtifacts", {}).get("S3ModelArtifacts")
    status = description["TrainingJobStatus"]
    # A stopped job leaves its best model so far.
    if status == "Failed" or (status == "Stopped" and not artifacts):
        raise RemoteJobError(failure_text(description, session.boto_region_name))
    if status not in ("Completed", "Stopped") or not artifacts:
        raise RemoteJobError(f"the training job {job} is {status} and has no model yet; slipway logs {job} --follow")
    return artifacts, {
        "role": description["RoleArn"],
        "vpc_config": description.get("VpcConfig"),
        "enable_network_isolation": description.get("EnableNetworkIsolation", False),
    }


def _require(path: Path) -> None:
    if not path.exists():
        raise JobError(f"there is no {path}; name a model.tar.gz, a model directory, or a job directory")
