"""The tag of everything that Slipway creates on AWS, by which `slipway clean` finds it again."""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slipway.aws.connection import Service

OWN_TAG = "slipway"
"""Key of the tag; its value is the version of Slipway that created the resource."""

Tags = Sequence[Mapping[str, str]] | Mapping[str, str] | None
"""Tags in the SDK's forms: `[{"Key": …, "Value": …}, …]`, or a mapping of keys to values."""


def with_own_tag(tags: Tags) -> list[dict[str, str]]:
    """Add Slipway's tag to the user's, in the form of AWS's API."""
    if isinstance(tags, Mapping):
        tags = [tags] if set(tags) == {"Key", "Value"} else [{"Key": k, "Value": v} for k, v in tags.items()]
    values = {tag["Key"]: tag["Value"] for tag in tags or ()}
    return [{"Key": name, "Value": value} for name, value in {**values, OWN_TAG: _version()}.items()]


@functools.cache
def _version() -> str:
    from importlib.metadata import version  # only here: its import takes long, and most commands tag nothing

    return version("slipway")


def is_ours(service: "Service", arn: str) -> bool:
    """Whether a resource of SageMaker has Slipway's tag.

    Args:
        service: SageMaker.
        arn: The resource's ARN.

    Raises:
        ServiceError: AWS refuses.
    """
    return any(tag["Key"] == OWN_TAG for tag in service.pages("ListTags", "Tags", ResourceArn=arn))
