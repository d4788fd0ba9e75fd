"""Checks of a training job's channels: their names, and that they are not empty."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.aws.refusals import AwsError, explained
from slipway.aws.s3_address import S3Address
from slipway.aws.session import answered_here
from slipway.errors import SettingError
from slipway.requests.channels import channel_config

if TYPE_CHECKING:
    from slipway.aws.session import AnySession

CHANNELS = ("train", "validation", "test", "weights")

Inputs = Any
"""A mapping of channel names to S3 addresses, folders, channels in the form of AWS's API or TrainingInputs of the SDK;
or one of those for the train channel."""


def as_channels(inputs: Inputs, *, local: bool, own_script: bool) -> dict[str, Any]:
    """Return the channels by name, with folders as file:// addresses.

    Args:
        inputs: The argument of `Estimator.fit`.
        local: Whether local folders can be channels.
        own_script: Whether any channel name is allowed, as for a user's own script.

    Raises:
        SettingError: A channel has an unknown name, cannot be one or is in Pipe mode, or there is no train channel.
    """
    named = isinstance(inputs, Mapping) and "DataSource" not in inputs
    given = inputs if named else {} if inputs is None else {"train": inputs}
    if not own_script:
        for name in given:
            if name not in CHANNELS:
                near = difflib.get_close_matches(str(name), [*CHANNELS, "valid"], n=1)
                hint = "validation" if near == ["valid"] else near[0] if near else ", ".join(CHANNELS)
                raise SettingError(f"there is no channel {name!r}; did you mean {hint}?")
        if "train" not in given:
            raise SettingError(
                "there is no train channel; give fit() at least {'train': 's3://bucket/dogImages/train'}"
            )
        for name, value in given.items():
            _refuse_pipe(name, channel_config(value))
    return {name: _channel(name, value, local=local) for name, value in given.items()}


def _channel(name: str, value: Any, *, local: bool) -> Any:
    if not isinstance(value, str | Path):
        return value
    text = str(value)
    if text.startswith("s3://"):
        return text
    path = Path(text.removeprefix("file://"))
    if not local:
        raise SettingError(
            f"the {name} channel is {text}, and SageMaker reads from S3: slipway data upload {path} s3://BUCKET/…, "
            "then give that address; or instance type local"
        )
    if not path.exists():
        raise SettingError(f"the {name} channel is {path}, which does not exist")
    return f"file://{path.resolve()}"


def _refuse_pipe(name: str, config: Any) -> None:
    if not isinstance(config, Mapping):
        return
    augmented = config.get("DataSource", {}).get("S3DataSource", {}).get("S3DataType") == "AugmentedManifestFile"
    if augmented or config.get("InputMode") == "Pipe":
        what = "an AugmentedManifestFile, which needs Pipe mode, and that" if augmented else "in Pipe mode, which"
        raise SettingError(
            f"the {name} channel is {what} is not supported; give the address of the pictures' folder, for File or "
            f"FastFile mode{', with the manifest in it' * augmented}"
        )


def channel_addresses(channels: Mapping[str, Any]) -> dict[str, str]:
    """The S3 address of each channel that has one."""
    found = {}
    for name, value in channels.items():
        config = channel_config(value)
        address = config["DataSource"].get("S3DataSource", {}).get("S3Uri") if config is not None else value
        if isinstance(address, str) and address.startswith("s3://"):
            found[name] = address
    return found


def check_channels(session: "AnySession", channels: Mapping[str, Any]) -> None:
    """Check that every channel's bucket exists and holds something below the channel's address.

    Raises:
        SettingError: There is nothing below an address.
        ServiceError: The bucket does not exist, is in another region, or may not be listed.
    """
    places = {name: S3Address.parse(address) for name, address in channel_addresses(channels).items()}
    if answered_here(session, "ListObjectsV2"):
        return
    client = session.boto_session.client("s3")  # once: it takes as long as a short answer
    for name, place in places.items():
        address = str(place)
        try:
            with explained(f"looking into the {name} channel {address}"):
                answer = client.list_objects_v2(Bucket=place.bucket, Prefix=place.key, MaxKeys=1)
        except AwsError as error:
            if error.code == "NoSuchBucket":
                raise SettingError(f"the {name} channel is {address}, and there is no bucket {place.bucket}") from error
            raise
        # The client follows S3 to other regions; SageMaker does not.
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        there = headers.get("x-amz-bucket-region", session.boto_region_name)
        if there != session.boto_region_name:
            raise SettingError(
                f"the {name} channel is {address}, whose bucket is in {there}, and the job would run in "
                f"{session.boto_region_name}; give --region {there}, or copy the data"
            )
        if answer.get("KeyCount") == 0:
            raise SettingError(
                f"the {name} channel is {address}, and nothing is there; upload data with slipway data upload"
            )
