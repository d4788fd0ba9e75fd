"""CreateEndpointConfig as a typed value: production variants, and what holds for all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SINGLE_VARIANT = "AllTraffic"
"""Name of the only variant of an endpoint; the SDK's too."""


@dataclass(frozen=True, kw_only=True)
class Hosting:
    """The instances that serve a model, or the serverless configuration instead of them."""

    instance_type: str | None = None
    instance_count: int = 1
    serverless: Mapping[str, Any] | None = None
    """ServerlessConfig of the API."""
    volume_gb: int | None = None
    download_timeout_s: int | None = None
    startup_timeout_s: int | None = None
    routing: Mapping[str, Any] | None = None
    """RoutingConfig of the API."""
    ami: str | None = None
    """Name of the instances' host image."""

    def request(self) -> dict[str, Any]:
        """Build the members of a ProductionVariant."""
        if self.serverless is not None:
            return {"ServerlessConfig": self.serverless}
        optional = {
            "VolumeSizeInGB": self.volume_gb,
            "ModelDataDownloadTimeoutInSeconds": self.download_timeout_s,
            "ContainerStartupHealthCheckTimeoutInSeconds": self.startup_timeout_s,
            "RoutingConfig": self.routing,
            "InferenceAmiVersion": self.ami,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        return {"InitialInstanceCount": self.instance_count, "InstanceType": self.instance_type, **given}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A model behind an endpoint, and its share of the traffic."""

    model: str
    """Name of the model in SageMaker."""
    hosting: Hosting
    name: str = SINGLE_VARIANT
    weight: float = 1

    def request(self) -> dict[str, Any]:
        """Build the ProductionVariant."""
        return {
            "VariantName": self.name,
            "ModelName": self.model,
            "InitialVariantWeight": self.weight,
            **self.hosting.request(),
        }


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What holds for all variants of an endpoint; the mappings are those of the API."""

    tags: Sequence[Mapping[str, str]]
    kms_key: str | None = None
    """Key for the instances' volumes."""
    capture: Mapping[str, Any] | None = None
    asynchronous: Mapping[str, Any] | None = None
    explainer: Mapping[str, Any] | None = None

    def request(self, name: str, variants: Sequence[Variant]) -> dict[str, Any]:
        """Build the request of CreateEndpointConfig."""
        optional = {
            "KmsKeyId": self.kms_key,
            "DataCaptureConfig": self.capture,
            "AsyncInferenceConfig": self.asynchronous,
            "ExplainerConfig": self.explainer,
        }
        return {
            "EndpointConfigName": name,
            "ProductionVariants": [variant.request() for variant in variants],
            "Tags": self.tags,
            **{member: value for member, value in optional.items() if value},
        }
