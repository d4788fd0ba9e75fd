"""Creates, updates, describes and deletes endpoints, with all that belongs to them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from container.contract.errors import UserError
from slipway.aws.refusals import AwsError, explained
from slipway.errors import EndpointError
from slipway.hosting.autoscaling import remove_scaling
from slipway.requests.endpoint import Configuration, Variant
from slipway.requests.names import new_name

if TYPE_CHECKING:
    from slipway.aws.session import AnySession


def describe_endpoint(session: "AnySession", name: str) -> Mapping[str, Any] | None:
    """Return DescribeEndpoint's answer, or None if there is no such endpoint.

    Raises:
        ServiceError: AWS refuses.
    """
    return _described(session, "describe_endpoint", EndpointName=name)


def require_free_name(session: "AnySession", name: str) -> None:
    """Raise an EndpointError if an endpoint or an endpoint configuration of that name exists."""
    found = describe_endpoint(session, name)
    # A dry run's answer has no state.
    if found and "EndpointStatus" in found:
        raise EndpointError(
            f"there is an endpoint {name} already ({found['EndpointStatus']}); give another name, or --update "
            "(update_endpoint=True) to replace its model without downtime"
        )
    found = _described(session, "describe_endpoint_config", EndpointConfigName=name)
    if found and "ProductionVariants" in found:
        raise EndpointError(
            f"there is no endpoint {name}, but an endpoint configuration of that name, left by an earlier one; give "
            f"another name, or remove it: aws sagemaker delete-endpoint-config --endpoint-config-name {name}"
        )


def require_endpoint(session: "AnySession", name: str) -> Mapping[str, Any]:
    """Return DescribeEndpoint's answer.

    Raises:
        EndpointError: There is no such endpoint.
        ServiceError: AWS refuses.
    """
    found = describe_endpoint(session, name)
    if found is None:
        raise no_endpoint(session, name)
    return found


def no_endpoint(session: "AnySession", name: str) -> EndpointError:
    """Build the error for an endpoint that does not exist."""
    return EndpointError(
        f"there is no endpoint {name} in {session.boto_region_name}; slipway endpoints lists those with "
        "Slipway's tag, and --region asks in another region"
    )


def _described(session: "AnySession", method: str, **names: str) -> Mapping[str, Any] | None:
    try:
        with explained(f"looking for {next(iter(names.values()))}"):
            answer: Mapping[str, Any] = getattr(session.sagemaker_client, method)(**names)
            return answer
    except AwsError as error:
        if "Could not find" in str(error) or "does not exist" in str(error):
            return None
        raise


@contextmanager
def undone(session: "AnySession", configuration: str | None, models: Sequence[str] = ()) -> Iterator[None]:
    """If AWS refuses something in the body, delete what was created for it.

    Args:
        session: Credentials and region.
        configuration: Name of the endpoint configuration to delete, or None.
        models: Names of the models to delete; may grow in the body.
    """
    try:
        yield
    except UserError:
        for what, delete in _removals(session, None, configuration, models):
            with suppress(UserError), explained(f"deleting the {what}"):
                delete()
        raise


def create_endpoint(
    session: "AnySession", name: str, configuration: Configuration, variants: Sequence[Variant]
) -> None:
    """Create an endpoint of production variants.

    Args:
        session: Credentials and region, or local mode's.
        name: Name of the endpoint and its configuration.
        configuration: What holds for all variants.
        variants: The variants.

    Raises:
        ServiceError: AWS refuses; nothing is left behind.
    """
    client = session.sagemaker_client
    with undone(session, name), explained(f"creating the endpoint {name}"):
        client.create_endpoint_config(**configuration.request(name, variants))
        client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=configuration.tags)


def update_endpoint(
    session: "AnySession",
    name: str,
    configuration: Configuration,
    variants: Sequence[Variant],
    rollout: Mapping[str, Any] | None = None,
) -> None:
    """Update an endpoint to other production variants, without downtime.

    Args:
        session: Credentials and region.
        name: Name of the endpoint; the new configuration's name is made from it and the time.
        configuration: What holds for all variants.
        variants: The variants.
        rollout: DeploymentConfig of UpdateEndpoint; None: AWS's default, all at once.

    Raises:
        ServiceError: AWS refuses; the endpoint is as it was.
    """
    new = new_name(name)
    with undone(session, new), explained(f"updating the endpoint {name}"):
        session.sagemaker_client.create_endpoint_config(**configuration.request(new, variants))
        session.sagemaker_client.update_endpoint(
            EndpointName=name, EndpointConfigName=new, **({"DeploymentConfig": rollout} if rollout else {})
        )


def delete_endpoint(session: "AnySession", name: str) -> list[str]:
    """Delete an endpoint, its autoscaling, its configuration and its models; return their descriptions.

    Raises:
        EndpointError: There is no such endpoint.
        ServiceError: AWS refuses; the message says what is left.
    """
    found = require_endpoint(session, name)
    configuration = str(found.get("EndpointConfigName", name))
    described = _described(session, "describe_endpoint_config", EndpointConfigName=configuration) or {}
    variants: Sequence[Mapping[str, Any]] = described.get("ProductionVariants", [])
    models = sorted({variant["ModelName"] for variant in variants if "ModelName" in variant})
    removed = []
    if not session.local_mode:
        # From the endpoint itself, since its configuration may be gone.
        running: Sequence[Mapping[str, Any]] = found.get("ProductionVariants") or variants
        removed += remove_scaling(session, name, [variant["VariantName"] for variant in running])
    steps = _removals(session, name, configuration if described else None, models)
    for number, (what, delete) in enumerate(steps):
        with explained(f"deleting the {what} (still there: {', '.join(left for left, _ in steps[number:])})"):
            delete()
        removed.append(what)
    return removed


def _removals(
    session: "AnySession", endpoint: str | None, configuration: str | None, models: Sequence[str]
) -> list[tuple[str, Callable[[], object]]]:
    client = session.sagemaker_client
    found: list[tuple[str, Callable[[], object]]] = []
    if endpoint:
        found.append((f"endpoint {endpoint}", partial(client.delete_endpoint, EndpointName=endpoint)))
    if configuration:
        delete = partial(client.delete_endpoint_config, EndpointConfigName=configuration)
        found.append((f"endpoint configuration {configuration}", delete))
    return found + [(f"model {name}", partial(client.delete_model, ModelName=name)) for name in models]
