"""One endpoint: whether it is there, and taking it away with all that belongs to it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from sagemaker.utils import name_from_base

from container.errors import UserError
from slipway.aws.refusals import AwsError, explained
from slipway.deploy.autoscaling import remove_scaling
from slipway.errors import EndpointError

if TYPE_CHECKING:
    from sagemaker.session import Session

SINGLE_VARIANT = "AllTraffic"
"""What the SDK calls the variant of an endpoint that has only one."""


def describe_endpoint(session: "Session", name: str) -> Mapping[str, Any] | None:
    """DescribeEndpoint's answer; None where there is no such endpoint.

    Raises:
        ServiceError: AWS refuses.
    """
    return _described(session, "describe_endpoint", EndpointName=name)


def require_free_name(session: "Session", name: str) -> None:
    """Raise an EndpointError where an endpoint or an endpoint configuration of that name is there already."""
    found = describe_endpoint(session, name)
    # A dry run's answer has no state.
    if found and "EndpointStatus" in found:
        raise EndpointError(
            f"there is an endpoint {name} already ({found['EndpointStatus']}); give another name, or --update "
            "(update_endpoint=True) to put this model in its place without a gap"
        )
    found = _described(session, "describe_endpoint_config", EndpointConfigName=name)
    if found and "ProductionVariants" in found:
        raise EndpointError(
            f"there is no endpoint {name}, but an endpoint configuration of that name, left by an earlier one; give "
            f"another name, or remove it: aws sagemaker delete-endpoint-config --endpoint-config-name {name}"
        )


def require_endpoint(session: "Session", name: str) -> Mapping[str, Any]:
    """DescribeEndpoint's answer.

    Raises:
        EndpointError: There is no such endpoint.
        ServiceError: AWS refuses.
    """
    found = describe_endpoint(session, name)
    if found is None:
        raise no_endpoint(session, name)
    return found


def no_endpoint(session: "Session", name: str) -> EndpointError:
    """The error for an endpoint that is not there."""
    return EndpointError(
        f"there is no endpoint {name} in {session.boto_region_name}; aws sagemaker list-endpoints shows which there "
        "are, and --region asks in another region"
    )


def _described(session: "Session", method: str, **names: str) -> Mapping[str, Any] | None:
    try:
        with explained(f"looking for {next(iter(names.values()))}"):
            answer: Mapping[str, Any] = getattr(session.sagemaker_client, method)(**names)
            return answer
    except AwsError as error:
        if "Could not find" in str(error) or "does not exist" in str(error):
            return None
        raise


@contextmanager
def undone(session: "Session", configuration: str | None, models: Sequence[str] = ()) -> Iterator[None]:
    """When AWS refuses something in the body, remove what was made for it before.

    Args:
        session: The SDK's.
        configuration: An endpoint configuration's name; None: there is none to be removed.
        models: Names of models; may grow in the body.
    """
    try:
        yield
    except UserError:
        for what, delete in _removals(session, None, configuration, models):
            with suppress(UserError), explained(f"deleting the {what}"):
                delete()
        raise


def create_endpoint(
    session: "Session",
    name: str,
    variants: Sequence[Mapping[str, Any]],
    *,
    tags: Any,
    kms_key: str | None = None,
    **configurations: Any,
) -> None:
    """Make an endpoint of production variants.

    Args:
        session: The SDK's.
        name: Of the endpoint and its configuration.
        variants: As CreateEndpointConfig takes them.
        tags: Of both.
        kms_key: Of the instances' disks.
        configurations: data_capture, async_inference, explainer: as CreateEndpointConfig takes them.

    Raises:
        ServiceError: AWS refuses; nothing is left.
    """
    with undone(session, name), explained(f"making the endpoint {name}"):
        _create_configuration(session, name, variants, tags, kms_key, configurations)
        session.sagemaker_client.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)


def update_endpoint(
    session: "Session",
    name: str,
    variants: Sequence[Mapping[str, Any]],
    *,
    tags: Any,
    kms_key: str | None = None,
    rollout: Mapping[str, Any] | None = None,
    **configurations: Any,
) -> None:
    """Put other production variants behind an endpoint; it goes on serving meanwhile.

    Args:
        session: The SDK's.
        name: Of the endpoint; the new configuration's is made of it and the time.
        variants: As CreateEndpointConfig takes them.
        tags: Of the configuration.
        kms_key: Of the instances' disks.
        rollout: As UpdateEndpoint takes a DeploymentConfig; None: AWS's own way, all at once.
        configurations: As for `create_endpoint`.

    Raises:
        ServiceError: AWS refuses; the endpoint is as it was.
    """
    configuration = name_from_base(name)
    with undone(session, configuration), explained(f"updating the endpoint {name}"):
        _create_configuration(session, configuration, variants, tags, kms_key, configurations)
        session.sagemaker_client.update_endpoint(
            EndpointName=name,
            EndpointConfigName=configuration,
            **({"DeploymentConfig": rollout} if rollout else {}),
        )


def _create_configuration(
    session: "Session",
    name: str,
    variants: Sequence[Mapping[str, Any]],
    tags: Any,
    kms_key: str | None,
    configurations: Mapping[str, Any],
) -> None:
    members = {"data_capture": "DataCaptureConfig", "async_inference": "AsyncInferenceConfig"}
    members["explainer"] = "ExplainerConfig"
    session.sagemaker_client.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=variants,
        Tags=tags,
        **({"KmsKeyId": kms_key} if kms_key else {}),
        **{members[key]: value for key, value in configurations.items()},
    )


def delete_endpoint(session: "Session", name: str) -> list[str]:
    """Delete an endpoint, its scaling, its configuration and its models; what each of them was.

    Raises:
        EndpointError: There is no such endpoint.
        ServiceError: AWS refuses; what is left is in the message.
    """
    found = require_endpoint(session, name)
    configuration = str(found.get("EndpointConfigName", name))
    described = _described(session, "describe_endpoint_config", EndpointConfigName=configuration) or {}
    variants: Sequence[Mapping[str, Any]] = described.get("ProductionVariants", [])
    models = sorted({variant["ModelName"] for variant in variants if "ModelName" in variant})
    removed = []
    if not session.local_mode:
        # The endpoint's own word: its configuration may be gone.
        running: Sequence[Mapping[str, Any]] = found.get("ProductionVariants") or variants
        removed += remove_scaling(session, name, [variant["VariantName"] for variant in running])
    steps = _removals(session, name, configuration if described else None, models)
    for number, (what, delete) in enumerate(steps):
        with explained(f"deleting the {what} (still there: {', '.join(left for left, _ in steps[number:])})"):
            delete()
        removed.append(what)
    return removed


def _removals(
    session: "Session", endpoint: str | None, configuration: str | None, models: Sequence[str]
) -> list[tuple[str, Callable[[], object]]]:
    client = session.sagemaker_client
    found: list[tuple[str, Callable[[], object]]] = []
    if endpoint:
        found.append((f"endpoint {endpoint}", partial(client.delete_endpoint, EndpointName=endpoint)))
    if configuration:
        delete = partial(client.delete_endpoint_config, EndpointConfigName=configuration)
        found.append((f"endpoint configuration {configuration}", delete))
    return found + [(f"model {name}", partial(client.delete_model, ModelName=name)) for name in models]
