"""Downloads one object from S3."""

from collections.abc import Callable
from pathlib import Path

from container.atomic_file import write_atomically
from slipway.aws.connection import Aws
from slipway.aws.refusals import AwsError, explained
from slipway.aws.s3_address import S3Address
from slipway.errors import DownloadError

_MISSING = ("404", "NoSuchKey")
_CHUNK_BYTES = 1 << 20

Advance = Callable[[int, int], None]


def download_file(place: S3Address, path: Path, aws: Aws, advance: Advance = lambda done, total: None) -> bool:
    """Download an object; a file of that name is replaced once the new one is whole.

    Args:
        place: Address of the object.
        path: File to write; its folder is created if missing.
        aws: Credentials and region.
        advance: Called with the bytes done, and the total.

    Returns:
        Whether there is such an object.

    Raises:
        DownloadError: The file cannot be written.
        ServiceError: AWS refuses.
    """
    try:
        answer = aws.service("s3").call("GetObject", Bucket=place.bucket, Key=place.key)
    except AwsError as error:
        if error.code in _MISSING:
            return False
        raise

    def write(temporary: Path) -> None:
        done = 0
        with explained(f"downloading {place}"), temporary.open("wb") as file:
            for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                advance(done, int(answer["ContentLength"]))

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, write)
    except OSError as error:
        raise DownloadError(
            f"{path} cannot be written: {error.strerror or error}; another disk may have room"
        ) from error
    return True
