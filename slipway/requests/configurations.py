"""Configurations of serverless and asynchronous endpoints and of data capture, for those without an SDK.

Where one of these is taken, the class of the same purpose of either version of the SDK is taken too, and so is a
mapping in the words of SageMaker's API.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Serverless:
    """A serverless endpoint's size."""

    memory_mb: int = 2048
    """1024 to 6144 in steps of 1024."""
    max_concurrency: int = 5
    """Concurrent requests, 1 to 200."""
    provisioned_concurrency: int | None = None
    """Number of containers that are kept ready, and paid for."""

    def request(self) -> dict[str, Any]:
        """Build the ServerlessConfig."""
        kept = self.provisioned_concurrency
        found = {"MemorySizeInMB": self.memory_mb, "MaxConcurrency": self.max_concurrency}
        return found if kept is None else {**found, "ProvisionedConcurrency": kept}


@dataclass(frozen=True, kw_only=True)
class Asynchronous:
    """Where an asynchronous endpoint writes, and how much it takes at once."""

    output_path: str | None = None
    """S3 address of the answers; None: s3://BUCKET/jobs/async/ENDPOINT/output."""
    failure_path: str | None = None
    """S3 address of the failures; None: beside the answers."""
    max_concurrent: int | None = None
    """Concurrent requests to an instance; None: SageMaker's choice."""
    kms_key: str | None = None
    """Key for the answers."""
    notifications: Mapping[str, Any] | None = None
    """NotificationConfig: SuccessTopic and ErrorTopic."""

    def request(self) -> dict[str, Any]:
        """Build the AsyncInferenceConfig."""
        outputs = {
            "S3OutputPath": self.output_path,
            "S3FailurePath": self.failure_path,
            "KmsKeyId": self.kms_key,
            "NotificationConfig": self.notifications,
        }
        found: dict[str, Any] = {"OutputConfig": {name: value for name, value in outputs.items() if value}}
        if self.max_concurrent:
            found["ClientConfig"] = {"MaxConcurrentInvocationsPerInstance": self.max_concurrent}
        return found


@dataclass(frozen=True, kw_only=True)
class Capture:
    """Data capture: records requests and answers in S3."""

    percent: int
    destination: str
    """S3 address."""
    kms_key: str | None = None
    modes: Sequence[str] = ("Input", "Output")

    def request(self) -> dict[str, Any]:
        """Build the DataCaptureConfig."""
        found = {
            "EnableCapture": True,
            "InitialSamplingPercentage": self.percent,
            "DestinationS3Uri": self.destination,
            "CaptureOptions": [{"CaptureMode": mode} for mode in self.modes],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
        }
        return {**found, "KmsKeyId": self.kms_key} if self.kms_key else found


def as_request(configuration: Any) -> dict[str, Any] | None:
    """Return a configuration in the words of SageMaker's API; None stays None.

    Args:
        configuration: One of the classes above, of the SDK's classes, or a mapping.

    Raises:
        TypeError: It is something else.
    """
    if configuration is None:
        return None
    if isinstance(configuration, Mapping):
        return dict(configuration)
    for method in ("request", "_to_request_dict"):
        if hasattr(configuration, method):
            return dict(getattr(configuration, method)())
    raise TypeError(f"a {type(configuration).__name__} is not a configuration; give {__name__}'s, the SDK's, or a dict")
