"""Serverless and asynchronous endpoints and data capture: checks and defaults of their configurations."""

from collections.abc import Mapping
from typing import Any

from slipway.errors import SettingError
from slipway.requests.configurations import Asynchronous, Capture, Serverless

__all__ = [
    "ASYNC_ENVIRONMENT",
    "Asynchronous",
    "Capture",
    "Serverless",
    "capture",
    "check_serverless",
    "complete_async",
]

_MEMORY_MB = range(1024, 6145, 1024)
_CONCURRENCY = range(1, 201)

ASYNC_ENVIRONMENT = {
    "SAGEMAKER_MAX_PAYLOAD_IN_MB": "1024",
    "SLIPWAY_DEADLINE_S": "3600",
    "SLIPWAY_MAX_PICTURES": "1000000",
}
"""Environment of the container behind an asynchronous endpoint, whose limits are higher than a real-time one's."""


def check_serverless(
    config: Mapping[str, Any],
    instance_type: str | None,
    asynchronous: object,
    data_capture: object,
    vpc: object,
    network_isolation: object,
) -> None:
    """Check a serverless endpoint against SageMaker's limits: it supports none of the other arguments.

    Args:
        config: ServerlessConfig of the API.
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
    memory, concurrency = config.get("MemorySizeInMB"), config.get("MaxConcurrency")
    if memory not in _MEMORY_MB:
        raise SettingError(
            f"a serverless endpoint's memory is {memory} MB; it must be one of {', '.join(map(str, _MEMORY_MB))}"
        )
    if concurrency not in _CONCURRENCY:
        raise SettingError(f"a serverless endpoint's concurrency is {concurrency}; it must be 1 to 200")


def complete_async(config: Mapping[str, Any], bucket: str | None, endpoint: str) -> dict[str, Any]:
    """Fill in where answers and failures go: s3://BUCKET/jobs/async/ENDPOINT.

    Args:
        config: AsyncInferenceConfig of the API, in which these may be missing.
        bucket: The bucket; None: unknown.
        endpoint: Name of the endpoint.

    Raises:
        SettingError: Neither a bucket nor a path is given.
    """
    given = {name: value for name, value in config.get("OutputConfig", {}).items() if value is not None}
    output = given.get("S3OutputPath")
    if output is None:
        output = f"s3://{_required(bucket, 'the answers')}/jobs/async/{endpoint}/output"
    failure = given.get("S3FailurePath") or f"{output.rstrip('/').removesuffix('/output')}/failure"
    return {**config, "OutputConfig": {**given, "S3OutputPath": output, "S3FailurePath": failure}}


def capture(percent: int, bucket: str | None, endpoint: str, kms_key: str | None = None) -> dict[str, Any]:
    """Build the configuration that records a percentage of requests and answers in s3://BUCKET/jobs/capture/ENDPOINT.

    Args:
        percent: The percentage.
        bucket: The bucket; None: unknown.
        endpoint: Name of the endpoint.
        kms_key: Key to encrypt them with.

    Raises:
        SettingError: The percentage is out of range, or no bucket is known.
    """
    if not 0 < percent <= 100:
        raise SettingError(f"the share of requests to capture is {percent} percent; it must be 1 to 100")
    place = f"s3://{_required(bucket, 'captured requests')}/jobs/capture/{endpoint}"
    return Capture(percent=percent, destination=place, kms_key=kms_key).request()


def _required(bucket: str | None, what: str) -> str:
    if not bucket:
        raise SettingError(f"no bucket for {what} is named; give bucket=, --bucket, or bucket in slipway.toml")
    return bucket
