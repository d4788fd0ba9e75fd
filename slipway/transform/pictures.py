"""The pictures below an address in S3, and how they are to be sent to the containers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from slipway.aws.connection import Service
from slipway.checks.s3_address import S3Address
from slipway.errors import TransformError

_MAX_MB = 100
"""SageMaker's limit, of one request and of all those at a time on one instance together."""
_DEFAULT_MB = 6
_MAX_CONCURRENT = 16
_MB = 1024 * 1024


@dataclass(frozen=True)
class Picture:
    """One object."""

    name: str
    """Relative to the address."""
    size: int
    """Bytes."""


def list_pictures(s3: Service, address: S3Address) -> list[Picture]:
    """All objects below an address that ends with a slash, but for empty folders and hidden files.

    Raises:
        TransformError: There is none, or one is larger than SageMaker sends.
        ServiceError: AWS refuses.
    """
    listing = s3.pages("ListObjectsV2", "Contents", Bucket=address.bucket, Prefix=address.key)
    found = [Picture(item["Key"].removeprefix(address.key), item["Size"]) for item in listing]
    pictures = [item for item in found if not item.name.endswith("/") and item.name]
    if not pictures:
        raise TransformError(
            f"there is nothing below {address}; slipway data upload FOLDER {address} brings pictures there"
        )
    largest = max(pictures, key=lambda picture: picture.size)
    if largest.size > _MAX_MB * _MB:
        raise TransformError(
            f"{address}{largest.name} has {largest.size / _MB:.0f} MB, and batch transform sends {_MAX_MB} MB at the "
            "most; make it smaller or take it away"
        )
    return pictures


@dataclass(frozen=True)
class Load:
    """What goes to one container at a time."""

    max_payload_mb: int
    max_concurrent: int


def load_for(pictures: Sequence[Picture]) -> Load:
    """The smallest payload that the largest picture fits in, and as many requests at a time as that leaves room for."""
    largest = max((picture.size for picture in pictures), default=0)
    payload = max(_DEFAULT_MB, min(_MAX_MB, math.ceil(largest / _MB)))
    return Load(payload, max(1, min(_MAX_CONCURRENT, _MAX_MB // payload)))
