"""CreateProcessingJob as a typed value."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

_FOLDER = "/opt/ml/processing"


@dataclass(frozen=True, kw_only=True)
class ProcessingJob:
    """A processing job in an image."""

    name: str
    role: str
    image: str
    instance_type: str
    instance_count: int
    volume_gb: int
    inputs: Mapping[str, tuple[str, str]]
    """S3 address of each input by its name, and its folder in the container, below /opt/ml/processing."""
    outputs: Mapping[str, tuple[str, str]]
    """The same of the outputs."""
    upload: Literal["Continuous", "EndOfJob"] = "Continuous"
    """When the outputs are written."""
    sharded: Collection[str] = ()
    """Names of the inputs whose objects are shared out among the instances, by key; each gets all of the others."""
    entry_point: Sequence[str] = ()
    """The command; empty: the image's own."""
    arguments: Sequence[str] = ()
    tags: Sequence[Mapping[str, str]]
    max_run: int | None = None
    """Seconds after which it is stopped; None: SageMaker's limit."""
    kms_key: str | None = None
    """Key for the outputs."""
    volume_key: str | None = None
    """Key for the instances' volumes; local instance storage cannot have one."""
    network: Mapping[str, Any] | None = None
    """NetworkConfig."""

    def request(self) -> dict[str, Any]:
        """Build the request of CreateProcessingJob."""
        key = {"KmsKeyId": self.kms_key} if self.kms_key else {}
        cluster = {
            "InstanceType": self.instance_type,
            "InstanceCount": self.instance_count,
            "VolumeSizeInGB": self.volume_gb,
            **({"VolumeKmsKeyId": self.volume_key} if self.volume_key else {}),
        }
        return {
            "ProcessingJobName": self.name,
            "ProcessingResources": {"ClusterConfig": cluster},
            "AppSpecification": {
                "ImageUri": self.image,
                **({"ContainerEntrypoint": list(self.entry_point)} if self.entry_point else {}),
                **({"ContainerArguments": list(self.arguments)} if self.arguments else {}),
            },
            "RoleArn": self.role,
            "ProcessingInputs": [
                {"InputName": name, "S3Input": _input(address, folder, sharded=name in self.sharded)}
                for name, (address, folder) in self.inputs.items()
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {"OutputName": name, "S3Output": _output(address, folder, self.upload)}
                    for name, (address, folder) in self.outputs.items()
                ],
                **key,
            },
            **({"StoppingCondition": {"MaxRuntimeInSeconds": self.max_run}} if self.max_run else {}),
            **({"NetworkConfig": self.network} if self.network else {}),
            "Tags": self.tags,
        }


def _input(address: str, folder: str, *, sharded: bool) -> dict[str, str]:
    return {
        "S3Uri": address,
        "LocalPath": f"{_FOLDER}/{folder}",
        "S3DataType": "S3Prefix",
        "S3InputMode": "File",
        "S3DataDistributionType": "ShardedByS3Key" if sharded else "FullyReplicated",
        "S3CompressionType": "None",
    }


def _output(address: str, folder: str, upload: str) -> dict[str, str]:
    return {"S3Uri": address, "LocalPath": f"{_FOLDER}/{folder}", "S3UploadMode": upload}
