"""Finds the channels of a data set in S3."""

from typing import TYPE_CHECKING
from urllib.parse import urlparse

from container.contract.errors import DataError
from slipway.aws.refusals import explained
from slipway.dataset_folder import SPLIT_FOLDERS

if TYPE_CHECKING:
    from sagemaker.session import Session


def find_s3_channels(session: "Session", address: str) -> dict[str, str]:
    """Find the address of each channel below an S3 prefix, by the folder names that `slipway train` accepts.

    Raises:
        DataError: There is no train folder.
        ServiceError: AWS refused the call.
    """
    parts = urlparse(address)
    prefix = parts.path.strip("/") + "/" if parts.path.strip("/") else ""
    with explained(f"looking into {address}"):
        listed = session.boto_session.client("s3").list_objects_v2(Bucket=parts.netloc, Prefix=prefix, Delimiter="/")
    folders = [entry["Prefix"].removeprefix(prefix).rstrip("/") for entry in listed.get("CommonPrefixes", ())]
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
