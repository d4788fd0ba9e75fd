"""Lists the endpoints on SageMaker that have Slipway's tag, with what they cost by the hour."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from slipway.aws.connection import Aws, Service
from slipway.aws.console_address import console_address
from slipway.aws.refusals import AwsError
from slipway.aws.tags import is_ours

_GONE = ("ValidationException", "ValidationError", "ResourceNotFound")


@dataclass(frozen=True, kw_only=True)
class RunningVariant:
    """A model behind an endpoint."""

    name: str
    model: str
    """Name of the model; empty if the endpoint's configuration was deleted."""
    instance_type: str
    """Empty for a serverless variant."""
    instance_count: int
    """Instances that run now; 0 for a serverless variant."""
    weight: float


@dataclass(frozen=True, kw_only=True)
class ListedEndpoint:
    """An endpoint."""

    name: str
    kind: Literal["real-time", "asynchronous", "serverless"]
    status: str
    """Creating, Updating, InService, Failed, …"""
    created: datetime
    variants: tuple[RunningVariant, ...]
    failure: str = ""
    console: str = ""
    """Address of its page in the AWS console."""

    @property
    def costs_now(self) -> bool:
        """Whether it has instances, which cost money by the hour even when idle."""
        return any(variant.instance_count for variant in self.variants)

    def to_json(self) -> dict[str, Any]:
        """Return the endpoint's fields as JSON values."""
        return {**asdict(self), "created": self.created.isoformat(), "costs_now": self.costs_now}


def list_endpoints(aws: Aws) -> list[ListedEndpoint]:
    """List endpoints with Slipway's tag, newest first.

    Raises:
        ServiceError: AWS refuses.
    """
    service = aws.service("sagemaker")
    return list(_endpoints(service, aws.region))


def _endpoints(service: Service, region: str) -> Iterator[ListedEndpoint]:
    for summary in service.pages("ListEndpoints", "Endpoints", SortBy="CreationTime", SortOrder="Descending"):
        if not is_ours(service, summary["EndpointArn"]):
            continue
        try:
            found = service.call("DescribeEndpoint", EndpointName=summary["EndpointName"])
        except AwsError as error:
            # It was deleted meanwhile.
            if error.code not in _GONE:
                raise
            continue
        yield _listed(found, _configuration(service, found), region)


def _configuration(service: Service, endpoint: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return service.call("DescribeEndpointConfig", EndpointConfigName=endpoint["EndpointConfigName"])
    except (AwsError, KeyError) as error:
        if isinstance(error, AwsError) and error.code not in _GONE:
            raise
        return {}


def _listed(endpoint: Mapping[str, Any], configuration: Mapping[str, Any], region: str) -> ListedEndpoint:
    planned = {variant["VariantName"]: variant for variant in configuration.get("ProductionVariants", ())}
    running = {variant["VariantName"]: variant for variant in endpoint.get("ProductionVariants", ())}
    variants = tuple(
        RunningVariant(
            name=name,
            model=planned.get(name, {}).get("ModelName", ""),
            instance_type=planned.get(name, {}).get("InstanceType", ""),
            instance_count=running.get(name, {}).get("CurrentInstanceCount", 0),
            weight=running.get(name, {}).get("CurrentWeight", planned.get(name, {}).get("InitialVariantWeight", 1)),
        )
        for name in running or planned
    )
    serverless = any("ServerlessConfig" in variant for variant in planned.values())
    return ListedEndpoint(
        name=endpoint["EndpointName"],
        kind="serverless" if serverless else "asynchronous" if "AsyncInferenceConfig" in configuration else "real-time",
        status=endpoint["EndpointStatus"],
        created=endpoint["CreationTime"],
        variants=variants,
        failure=endpoint.get("FailureReason", ""),
        console=console_address("endpoint", endpoint["EndpointName"], region),
    )
