"""CreateTransformJob as a typed value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TransformJob:
    """A batch transform job; the mappings are those of the API."""

    name: str
    model: str
    data: str
    """S3 address of the inputs; in local mode file://FOLDER."""
    data_type: str
    content_type: str | None
    output_path: str
    accept: str | None
    instance_type: str
    instance_count: int
    tags: Sequence[Mapping[str, str]]
    strategy: str | None = None
    max_payload_mb: int | None = None
    max_concurrent: int | None = None
    environment: Mapping[str, str] | None = None
    compression: str | None = None
    split: str | None = None
    assemble: str | None = None
    output_kms_key: str | None = None
    volume_kms_key: str | None = None
    ami: str | None = None
    """Name of the instances' host image."""
    input_filter: str | None = None
    output_filter: str | None = None
    join_source: str | None = None
    experiment: Mapping[str, Any] | None = None
    client: Mapping[str, Any] | None = None
    """ModelClientConfig: timeout and retries of a request."""
    capture: Mapping[str, Any] | None = None

    def request(self) -> dict[str, Any]:
        """Build the request of CreateTransformJob."""
        source = {"S3DataSource": {"S3DataType": self.data_type, "S3Uri": self.data}}
        outputs = {"S3OutputPath": self.output_path, "KmsKeyId": self.output_kms_key}
        resources = {"InstanceCount": self.instance_count, "InstanceType": self.instance_type}
        filters = {"InputFilter": self.input_filter, "OutputFilter": self.output_filter}
        return _given(
            {
                "TransformJobName": self.name,
                "ModelName": self.model,
                "TransformInput": _given(
                    {
                        "DataSource": source,
                        "ContentType": self.content_type,
                        "CompressionType": self.compression,
                        "SplitType": self.split,
                    }
                ),
                "TransformOutput": _given({**outputs, "AssembleWith": self.assemble, "Accept": self.accept}),
                "TransformResources": _given(
                    {**resources, "VolumeKmsKeyId": self.volume_kms_key, "TransformAmiVersion": self.ami}
                ),
                "BatchStrategy": self.strategy,
                "MaxConcurrentTransforms": self.max_concurrent,
                "MaxPayloadInMB": self.max_payload_mb,
                "Environment": self.environment,
                "Tags": self.tags,
                "DataProcessing": _given({**filters, "JoinSource": self.join_source}) or None,
                "ExperimentConfig": self.experiment or None,
                "ModelClientConfig": self.client or None,
                "DataCaptureConfig": self.capture,
            }
        )


def _given(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
