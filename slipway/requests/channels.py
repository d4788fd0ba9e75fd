"""The input channels of a training job's request."""

from collections.abc import Mapping
from typing import Any

from slipway.requests.pipelines import is_variable


def channel_config(value: Any) -> Mapping[str, Any] | None:
    """Return a channel in the form of AWS's API, from that form or from a TrainingInput of either SDK; else None."""
    config = getattr(value, "config", value)
    return config if isinstance(config, Mapping) else None


def channel(name: str, value: Any) -> dict[str, Any]:
    """Return a channel of the request.

    Args:
        name: Its name.
        value: S3 address, or as for `channel_config`.
    """
    config = channel_config(value)
    if config is None:
        place = {
            "S3DataType": "S3Prefix",
            "S3Uri": value if is_variable(value) else str(value),
            "S3DataDistributionType": "FullyReplicated",
        }
        config = {"DataSource": {"S3DataSource": place}}
    return {**config, "ChannelName": name}
