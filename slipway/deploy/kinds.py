"""Serverless and asynchronous endpoints and data capture: checks and defaults for the SDK's configurations."""

from typing import TYPE_CHECKING

from sagemaker.async_inference import AsyncInferenceConfig
from sagemaker.model_monitor import DataCaptureConfig
from sagemaker.serverless import ServerlessInferenceConfig

from slipway.errors import SettingError

if TYPE_CHECKING:
    from sagemaker.session import Session

_MEMORY_MB = range(1024, 6145, 1024)
_CONCURRENCY = range(1, 201)

ASYNC_ENVIRONMENT = {
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1024",
    "SLIPWAY_DEADLINE_S": "3600",
    "SLIPWAY_MAX_PICTURES": "1000000",
}
"""Environment of the container behind an asynchronous endpoint, whose limits are higher than a real-time one's."""


def check_serverless(
    config: ServerlessInferenceConfig,
    instance_type: str | None,
    asynchronous: object,
    data_capture: object,
    vpc: object,
    network_isolation: object,
) -> None:
    """Check a serverless endpoint against SageMaker's limits: it supports none of the other arguments.

    Args:
        config: The SDK's configuration.
        instance_type: The instance type, if one is given.
        asynchronous: The configuration of an asynchronous endpoint, if one is given.
        data_capture: The configuration of data capture, if one is given.
        vpc: The VPC, if one is given.
        network_isolation: Whether network isolation is requested.

    Raises:
        SettingError: SageMaker does not support the memory, the concurrency, or one of the others.
    """
    if instance_type:
        raise SettingError(f"a serverless endpoint has no instances; omit the instance type {instance_type}")
    unsupported = {"asynchronous mode": asynchronous, "data capture": data_capture, "VPC": vpc}
    for name, value in {**unsupported, "network isolation": network_isolation}.items():
        if value:
            raise SettingError(f"a serverless endpoint has no {name}; omit it, or name an instance type instead")
    if config.memory_size_in_mb not in _MEMORY_MB:
        raise SettingError(
            f"a serverless endpoint's memory is {config.memory_size_in_mb} MB; it must be one of "
            f"{', '.join(map(str, _MEMORY_MB))}"
        )
    if config.max_concurrency not in _CONCURRENCY:
        raise SettingError(f"a serverless endpoint's concurrency is {config.max_concurrency}; it must be 1 to 200")


def complete_async(config: AsyncInferenceConfig, bucket: str | None, endpoint: str) -> AsyncInferenceConfig:
    """Fill in where answers and failures go: s3://BUCKET/jobs/async/ENDPOINT.

    Raises:
        SettingError: Neither a bucket nor a path is given.
    """
    if config.output_path is None:
        config.output_path = f"s3://{_required(bucket, 'the answers')}/jobs/async/{endpoint}/output"
    if config.failure_path is None:
        config.failure_path = f"{config.output_path.rstrip('/').removesuffix('/output')}/failure"
    return config


def capture(percent: int, bucket: str | None, endpoint: str, session: "Session") -> DataCaptureConfig:
    """Build the configuration that records a percentage of requests and answers in s3://BUCKET/jobs/capture/ENDPOINT.

    Raises:
        SettingError: The percentage is out of range, or no bucket is known.
    """
    if not 0 < percent <= 100:
        raise SettingError(f"the share of requests to capture is {percent} percent; it must be 1 to 100")
    return DataCaptureConfig(
        enable_capture=True,
        sampling_percentage=percent,
        destination_s3_uri=f"s3://{_required(bucket, 'captured requests')}/jobs/capture/{endpoint}",
        sagemaker_session=session,
    )


def _required(bucket: str | None, what: str) -> str:
    if not bucket:
        raise SettingError(f"no bucket for {what} is named; give bucket=, --bucket, or bucket in slipway.toml")
    return bucket
