"""CreateModel as a typed value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Container:
    """An image with a model and its environment."""

    image: str
    model_data: str | Mapping[str, Any] | None
    """S3 address of an archive or of a prefix, or a ModelDataSource of the API."""
    environment: Mapping[str, str]
    image_config: Mapping[str, Any] | None = None
    more_data: Sequence[Mapping[str, Any]] | None = None
    """AdditionalModelDataSources of the API."""

    def request(self) -> dict[str, Any]:
        """Build the ContainerDefinition."""
        member = "ModelDataSource" if isinstance(self.model_data, Mapping) else "ModelDataUrl"
        optional = {
            "AdditionalModelDataSources": self.more_data,
            member: self.model_data,
            "ImageConfig": self.image_config,
        }
        given = {name: value for name, value in optional.items() if value}
        return {"Image": self.image, "Environment": dict(self.environment), **given}


def create_model(
    name: str,
    role: str,
    container: Mapping[str, Any],
    *,
    vpc: Mapping[str, Any] | None,
    isolated: bool,
    tags: Sequence[Mapping[str, str]],
) -> dict[str, Any]:
    """Build the request of CreateModel.

    Args:
        name: Name of the model.
        role: ARN of the execution role.
        container: From `Container.request`.
        vpc: VpcConfig of the API.
        isolated: Whether the container runs without network access.
        tags: Tags of the model.
    """
    return {
        "ModelName": name,
        "ExecutionRoleArn": role,
        "PrimaryContainer": container,
        "Tags": tags,
        **({"VpcConfig": vpc} if vpc else {}),
        **({"EnableNetworkIsolation": True} if isolated else {}),
    }
