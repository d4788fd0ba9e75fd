"""S3 addresses: s3://bucket/key."""

import re
from dataclasses import dataclass
from typing import Self

from slipway.errors import SettingError

# The rules for names of general purpose buckets, as far as they can be told from a name.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True)
class S3Address:
    """A place in a bucket."""

    bucket: str
    key: str
    """Key or prefix, without a leading slash; empty for the whole bucket."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse an address.

        Raises:
            SettingError: It is not an S3 address.
        """
        scheme, separator, rest = text.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not separator or not _BUCKET.fullmatch(bucket):
            raise SettingError(f"{text!r} is not an S3 address; write it like s3://my-dogs/dogImages/train")
        return cls(bucket, key.lstrip("/"))

    def below(self, name: str) -> "S3Address":
        """The address of something below this one."""
        return S3Address(self.bucket, f"{self.key.rstrip('/')}/{name}".lstrip("/"))

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}" if self.key else f"s3://{self.bucket}"
