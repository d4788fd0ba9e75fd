"""Addresses in requests: folders of this machine, or S3's, which are downloaded first."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slipway.aws.connection import Aws
from slipway.aws.s3_address import S3Address
from slipway.aws.s3_folder import download_file, download_folder
from slipway.errors import SettingError
from slipway.settings.slipway_toml import Settings


def require_local(address: str, what: str) -> Path:
    """Return the path of an address file://PATH, or of a plain path.

    Args:
        address: The address.
        what: What is there, for the error, such as "the train channel".

    Raises:
        SettingError: The address is of another kind.
    """
    text = address.removeprefix("file://")
    if "://" in text:
        raise SettingError(f"{what} is {address}; give a folder of this machine, or an address file://FOLDER")
    return Path(text)


@contextmanager
def on_this_machine(address: str, what: str, aws: Aws | None = None) -> Iterator[Path]:
    """Yield the path of what an address names; what is in S3 is downloaded, and deleted after the body.

    Args:
        address: s3://BUCKET/PREFIX, file://PATH, or a path.
        what: As for `require_local`.
        aws: Credentials and region for S3; None: those of Settings.

    Raises:
        SettingError: Nothing is there, or the address is of another kind.
        DownloadError: Nothing is there in S3, or it cannot be written.
        ServiceError: AWS refuses.
    """
    if not address.startswith("s3://"):
        path = require_local(address, what).resolve()
        if not path.exists():
            raise SettingError(f"{what} is {path}, which does not exist")
        yield path
        return
    settings = Settings.read()
    with tempfile.TemporaryDirectory(prefix="slipway-s3-") as scratch:
        yield _downloaded(S3Address.parse(address), Path(scratch), aws or Aws(settings.region, settings.profile))


def _downloaded(place: S3Address, scratch: Path, aws: Aws) -> Path:
    s3 = aws.service("s3")
    first: Mapping[str, Any] = next(s3.pages("ListObjectsV2", "Contents", Bucket=place.bucket, Prefix=place.key), {})
    if first.get("Key") != place.key or place.key.endswith("/"):
        return download_folder(str(place), scratch, aws)
    return download_file(place, scratch, aws)
