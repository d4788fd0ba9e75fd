"""Downloads what a job has left in S3, or the models behind an endpoint."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from slipway.aws.connection import Aws, Service
from slipway.aws.in_use import model_addresses
from slipway.aws.jobs import describe_job
from slipway.aws.refusals import AwsError
from slipway.aws.s3_address import S3Address
from slipway.aws.s3_file import download_file
from slipway.aws.s3_folder import download_folder
from slipway.aws.training_job import model_address
from slipway.errors import DownloadError, SettingError

_GONE = ("ValidationException", "ValidationError", "ResourceNotFound")


def download_results(aws: Aws, name: str, directory: Path) -> Iterator[Path]:
    """Download the results of a job or an endpoint; yield each file or folder once it is there.

    That is the model.tar.gz and output.tar.gz of a training job, or of a tuning job's best one; the outputs of a
    transform or a processing job; the models of an endpoint.

    Args:
        aws: Credentials and region.
        name: Name of the job or the endpoint; a job counts first.
        directory: Folder for the files; created if missing.

    Raises:
        SettingError: There is neither a job nor an endpoint of that name.
        DownloadError: There is nothing, or it cannot be written.
        ServiceError: AWS refuses.
    """
    service = aws.service("sagemaker")
    try:
        kind, found = describe_job(service, name, aws.region)
    except SettingError:
        yield from _of_endpoint(aws, service, name, directory)
        return
    if kind == "transform":
        yield download_folder(found["TransformOutput"]["S3OutputPath"], directory, aws)
        return
    if kind == "processing":
        for output in found["ProcessingOutputConfig"]["Outputs"]:
            yield download_folder(output["S3Output"]["S3Uri"], directory / output["OutputName"], aws)
        return
    if kind == "tuning":
        best = found.get("BestTrainingJob")
        if best is None:
            raise DownloadError(f"the tuning job {name} has no best training job yet; slipway jobs shows its state")
        found = service.call("DescribeTrainingJob", TrainingJobName=best["TrainingJobName"])
    yield from _of_training(aws, found, directory)


def _of_training(aws: Aws, description: Any, directory: Path) -> Iterator[Path]:
    name = description["TrainingJobName"]
    outputs = f"{description['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/output/output.tar.gz"
    count = 0
    for address in filter(None, (model_address(description), outputs)):
        place = S3Address.parse(address)
        path = directory / place.key.rpartition("/")[2]
        if download_file(place, path, aws):
            count += 1
            yield path
    if not count:
        raise DownloadError(
            f"the training job {name} ({description['TrainingJobStatus']}) has left nothing at {outputs}; slipway logs "
            f"{name} shows its log"
        )


def _of_endpoint(aws: Aws, service: Service, name: str, directory: Path) -> Iterator[Path]:
    try:
        endpoint = service.call("DescribeEndpoint", EndpointName=name)
        configuration = service.call("DescribeEndpointConfig", EndpointConfigName=endpoint["EndpointConfigName"])
    except AwsError as error:
        if error.code not in _GONE:
            raise
        raise SettingError(
            f"there is neither a job nor an endpoint {name} in {aws.region}; slipway jobs and slipway endpoints list "
            "them, and --region names another region"
        ) from error
    variants = configuration.get("ProductionVariants", ())
    for variant in variants:
        # One model needs no folder of its own.
        folder = directory / variant["VariantName"] if len(variants) > 1 else directory
        for address in model_addresses(service.call("DescribeModel", ModelName=variant["ModelName"])):
            if address.endswith("/"):
                yield download_folder(address, folder, aws)
                continue
            path = folder / address.rpartition("/")[2]
            if not download_file(S3Address.parse(address), path, aws):
                raise DownloadError(f"there is no model at {address}; the endpoint {name} was deployed from it")
            yield path
