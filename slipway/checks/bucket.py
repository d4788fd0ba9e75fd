"""The bucket for a job's outputs."""

from collections.abc import Mapping
from typing import Any

from slipway.aws.s3_address import S3Address
from slipway.checks.inputs import channel_addresses
from slipway.errors import SettingError


def output_bucket(named: str | None, channels: Mapping[str, Any]) -> str:
    """Choose the bucket that is named, else the train channel's, else any channel's.

    Raises:
        SettingError: There is none; Slipway never creates buckets.
    """
    if named:
        return S3Address.parse(named if named.startswith("s3://") else f"s3://{named}").bucket
    addresses = channel_addresses(channels)
    for address in (addresses.get("train"), *addresses.values()):
        if address:
            return S3Address.parse(address).bucket
    raise SettingError("no bucket for the outputs is named; give bucket=, --bucket, or bucket in slipway.toml")
