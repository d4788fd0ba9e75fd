"""Lists the pictures below an S3 address, and chooses the size of requests to the containers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from container.manifest import ENDINGS
from slipway.aws.connection import Service
from slipway.aws.s3_address import S3Address
from slipway.errors import TransformError

_MAX_MB = 100
"""SageMaker's limit, of one request and of all those at a time on one instance together."""
_DEFAULT_MB = 6
_MAX_CONCURRENT = 16
_MB = 1024 * 1024


@dataclass(frozen=True)
class Picture:
    """A picture to predict: an object in S3, or in local mode a file."""

    name: str
    """Name relative to the address."""
    size: int
    """Size in bytes."""


def list_pictures(s3: Service, address: S3Address) -> list[Picture]:
    """List all objects below an address that ends with a slash, except empty folders and hidden files.

    Raises:
        TransformError: There is none, one exceeds SageMaker's limit, or a file that can be a manifest lies there.
        ServiceError: AWS refuses.
    """
    listing = s3.pages("ListObjectsV2", "Contents", Bucket=address.bucket, Prefix=address.key)
    found = [Picture(item["Key"].removeprefix(address.key), item["Size"]) for item in listing]
    pictures = [item for item in found if not item.name.endswith("/") and item.name]
    if not pictures:
        raise TransformError(f"there is nothing below {address}; slipway data upload FOLDER {address} uploads pictures")
    if tables := [item.name for item in pictures if "/" not in item.name and item.name.lower().endswith(ENDINGS)]:
        raise TransformError(
            f"{address}{tables[0]} is no picture, and batch transform would send it to the model like the others; move "
            "it away from them. slipway transform --labels FILE takes the labels from a manifest on this machine"
        )
    largest = max(pictures, key=lambda picture: picture.size)
    if largest.size > _MAX_MB * _MB:
        raise TransformError(
            f"{address}{largest.name} has {largest.size / _MB:.0f} MB, and batch transform sends {_MAX_MB} MB at the "
            "most; make it smaller or remove it"
        )
    return pictures


@dataclass(frozen=True)
class Load:
    """Limits of the requests to one container."""

    max_payload_mb: int
    max_concurrent: int


def load_for(pictures: Sequence[Picture]) -> Load:
    """Choose the smallest payload that the largest picture fits in, and as many concurrent requests as that allows."""
    largest = max((picture.size for picture in pictures), default=0)
    payload = max(_DEFAULT_MB, min(_MAX_MB, math.ceil(largest / _MB)))
    return Load(payload, max(1, min(_MAX_CONCURRENT, _MAX_MB // payload)))
