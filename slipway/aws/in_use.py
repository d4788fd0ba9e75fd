"""The configurations, models and files that the endpoints of an account and region use."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from slipway.aws.connection import Service
from slipway.aws.refusals import AwsError
from slipway.aws.s3_address import S3Address


@dataclass(frozen=True)
class InUse:
    """The endpoint that uses each configuration, model and address, by its name."""

    configurations: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)


def in_use(sagemaker: Service) -> InUse:
    """Find what all endpoints use, whoever created them: none of it may be deleted before the endpoint.

    Raises:
        ServiceError: AWS refuses to describe them.
    """
    found = InUse()
    for item in sagemaker.pages("ListEndpoints", "Endpoints"):
        endpoint = item["EndpointName"]
        try:
            configuration = sagemaker.call("DescribeEndpoint", EndpointName=endpoint)["EndpointConfigName"]
            found.configurations[configuration] = endpoint
            described = sagemaker.call("DescribeEndpointConfig", EndpointConfigName=configuration)
        except AwsError as error:
            # The endpoint was deleted meanwhile, or its configuration was.
            if error.code not in ("ValidationException", "ValidationError", "ResourceNotFound"):
                raise
            continue
        variants = chain(described.get("ProductionVariants", ()), described.get("ShadowProductionVariants", ()))
        found.models.update({variant["ModelName"]: endpoint for variant in variants if "ModelName" in variant})
    return found


def model_addresses(model: Mapping[str, Any]) -> Iterator[str]:
    """Addresses of a model's files in DescribeModel's answer: archives, or prefixes that end with a slash."""
    for container in chain([model.get("PrimaryContainer") or {}], model.get("Containers") or ()):
        source = container.get("ModelDataSource", {}).get("S3DataSource", {})
        yield from filter(None, (container.get("ModelDataUrl"), source.get("S3Uri")))


def holds(place: S3Address, address: str) -> bool:
    """Whether a model's files are below a place, or the place is below the prefix of a model's files."""
    return address.startswith(f"{place}/") or (address.endswith("/") and f"{place}/".startswith(address))
