"""Finds the channels of a data set in S3."""

from typing import TYPE_CHECKING
from urllib.parse import urlparse

from container.contract.errors import DataError
from container.manifest import ENDINGS
from slipway.aws.refusals import explained
from slipway.datasets.folder import SPLIT_FOLDERS

if TYPE_CHECKING:
    from slipway.aws.session import AnySession


def find_s3_channels(session: "AnySession", address: str) -> dict[str, str]:
    """Find the address of each channel below an S3 prefix, by the folder names that `slipway train` accepts.

    The whole prefix is the train channel if a file that can be a manifest lies there, and no train folder with one of
    its own or with class folders.

    Raises:
        DataError: There is no train folder.
        ServiceError: AWS refused the call.
    """
    parts = urlparse(address)
    prefix = parts.path.strip("/") + "/" if parts.path.strip("/") else ""
    folders, manifests = _look(session, parts.netloc, prefix)
    if manifests:
        train = next((name for name in SPLIT_FOLDERS["train"] if name in folders), None)
        if train is None or not any(_look(session, parts.netloc, f"{prefix}{train}/")):
            return {"train": f"s3://{parts.netloc}/{prefix}"}
    channels = {}
    for split, names in SPLIT_FOLDERS.items():
        found = [name for name in names if name in folders]
        if len(found) > 1:
            raise DataError(
                f"there are {' and '.join(found)} below {address}; name one with --{split}, or move one away"
            )
        for name in found:
            # SageMaker treats an address as a key prefix: `train` would include `train-old`.
            end = "/" if any(other != name and other.startswith(name) for other in folders) else ""
            channels[split] = f"s3://{parts.netloc}/{prefix}{name}{end}"
    if "train" not in channels:
        raise DataError(
            f"there is no train folder below {address}; its folders are: {', '.join(folders[:8]) or 'none'}. "
            "slipway data upload makes the layout"
        )
    return channels


def _look(session: "AnySession", bucket: str, prefix: str) -> tuple[list[str], list[str]]:
    """List the folders directly below a prefix, and the files that can be manifests."""
    folders: list[str] = []
    manifests: list[str] = []
    listing = session.boto_session.client("s3").get_paginator("list_objects_v2")
    with explained(f"looking into s3://{bucket}/{prefix}"):
        for page in listing.paginate(Bucket=bucket, Prefix=prefix, Delimiter="/"):
            folders += [entry["Prefix"].removeprefix(prefix).rstrip("/") for entry in page.get("CommonPrefixes", ())]
            manifests += [item["Key"] for item in page.get("Contents", ()) if item["Key"].lower().endswith(ENDINGS)]
    return folders, manifests
