"""Production variants: two or more models behind one endpoint that share its traffic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from slipway.aws.tags import Tags, with_own_tag
from slipway.checks.instance_type import check_instance_type, has_own_disk
from slipway.checks.name import check_name
from slipway.errors import SettingError
from slipway.hosting.endpoint import create_endpoint, require_endpoint, require_free_name, undone, update_endpoint
from slipway.hosting.kinds import capture
from slipway.hosting.model import STARTUP_S
from slipway.hosting.predictor import Predictor
from slipway.hosting.rollout import Rollout
from slipway.hosting.waiting import wait_until_in_service
from slipway.requests.endpoint import Configuration, Hosting, Variant
from slipway.requests.names import new_name

if TYPE_CHECKING:
    from slipway.hosting.model import Model


@dataclass(frozen=True, kw_only=True)
class ProductionVariant:
    """A model behind an endpoint, with its share of the traffic.

    Raises:
        SettingError: The weight is negative, or there is no such instance type.
    """

    name: str
    """Name for requests (target_variant=) and metrics."""
    model: "Model"
    weight: float = 1.0
    """The variant's share of the traffic is its part of the sum of all weights."""
    instance_type: str
    instance_count: int = 1

    def __post_init__(self) -> None:
        check_name(self.name, "a variant")
        check_instance_type(self.instance_type, "endpoint")
        if self.weight < 0:
            raise SettingError(f"the weight of {self.name} is {self.weight:g}; it is 0 or more")


def deploy_variants(
    variants: Sequence[ProductionVariant],
    *,
    endpoint_name: str | None = None,
    tags: Tags = None,
    kms_key: str | None = None,
    capture_percent: int | None = None,
    bucket: str | None = None,
    update: bool = False,
    rollout: Rollout | None = None,
    wait: bool = True,
    show: Callable[[str], None] = print,
) -> Predictor:
    """Create an endpoint of several models, or update an existing one.

    Args:
        variants: Two or more with different names, whose models share a session that is not local mode's.
        endpoint_name: Name of the endpoint; None: `slipway` and the time.
        tags: Tags in addition to Slipway's.
        kms_key: Key for the instances' volumes, except for local instance storage, which cannot have one; also for
            what capture_percent records.
        capture_percent: Percentage of requests and answers to record in s3://BUCKET/jobs/capture/ENDPOINT.
        bucket: Bucket for data capture.
        update: Update an existing endpoint of that name, without downtime.
        rollout: How an update shifts the traffic; None: all at once.
        wait: Wait until the endpoint is in service.
        show: Called with progress lines while waiting.

    Returns:
        What the first model's predictor_cls makes: a `Predictor`.

    Raises:
        SettingError: The variants cannot be combined, or the driver of a variant's hosts is too old for its image.
        EndpointError: As for `Model.deploy`.
        ServiceError: AWS refuses.
    """
    names = [variant.name for variant in variants]
    if len(names) < 2 or len(set(names)) < len(names):
        raise SettingError(
            f"an endpoint needs two or more variants of different names, not {', '.join(names) or 'none'}"
        )
    if not sum(variant.weight for variant in variants):
        raise SettingError("all variants have the weight 0; at least one must get some of the traffic")
    session = variants[0].model.sagemaker_session
    if session.local_mode:
        raise SettingError("local mode has one container, not several variants; name an instance type of SageMaker")
    if rollout is not None and not update:
        raise SettingError("a rollout is how an update moves the traffic; give update=True (--update) too")
    name = check_name(endpoint_name, "an endpoint") if endpoint_name else new_name("slipway")
    amis = []
    for variant in variants:
        amis.append(variant.model.choose_host("endpoint", variant.instance_type))
        variant.model.check()
    if update:
        require_endpoint(session, name)
    else:
        require_free_name(session, name)
    recorded = capture(capture_percent, bucket, name, kms_key) if capture_percent else None
    of_volumes = None if any(has_own_disk(variant.instance_type) for variant in variants) else kms_key
    configuration = Configuration(tags=with_own_tag(tags), kms_key=of_volumes, capture=recorded)
    made: list[str] = []
    with undone(session, None, made):
        described = [
            _describe(variant, ami, name, configuration, made) for variant, ami in zip(variants, amis, strict=True)
        ]
        if update:
            update_endpoint(session, name, configuration, described, rollout.configuration() if rollout else None)
        else:
            create_endpoint(session, name, configuration, described)
    if wait:
        wait_until_in_service(session, name, show=show)
    predictor: Predictor = variants[0].model.predictor_cls(name, session)
    return predictor


def _describe(
    variant: ProductionVariant, ami: str | None, endpoint: str, configuration: Configuration, made: list[str]
) -> Variant:
    model = variant.model.make(variant.instance_type, configuration.tags, f"{endpoint}-{variant.name}", made)
    hosting = Hosting(
        instance_type=variant.instance_type,
        instance_count=variant.instance_count,
        startup_timeout_s=STARTUP_S,
        ami=ami,
    )
    return Variant(name=variant.name, model=model, weight=variant.weight, hosting=hosting)
