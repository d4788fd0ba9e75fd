"""The tag that everything which Slipway makes on AWS carries, so that `slipway clean` finds it again."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version

OWN_TAG = "slipway"
"""Its value is the version that made the resource."""

Tags = Sequence[Mapping[str, str]] | Mapping[str, str] | None
"""As the SDK takes them: `[{"Key": …, "Value": …}, …]`, or names and values."""


def with_own_tag(tags: Tags) -> list[dict[str, str]]:
    """The user's tags and ours, in the form of AWS's API."""
    if isinstance(tags, Mapping):
        tags = [tags] if set(tags) == {"Key", "Value"} else [{"Key": k, "Value": v} for k, v in tags.items()]
    values = {tag["Key"]: tag["Value"] for tag in tags or ()}
    return [{"Key": name, "Value": value} for name, value in {**values, OWN_TAG: version("slipway")}.items()]
