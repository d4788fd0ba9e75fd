"""A job's records in S3, brought here."""

from collections.abc import Callable
from pathlib import Path

from slipway.aws.connection import Aws
from slipway.aws.refusals import AwsError, explained
from slipway.checks.s3_address import S3Address
from slipway.errors import DownloadError
from slipway.report.records import unpack_records
from slipway.s3_folder import download_folder

ARCHIVE = "output.tar.gz"

Advance = Callable[[int, int], None]

_MISSING = ("404", "NoSuchKey")
_CHUNK_BYTES = 1 << 20


def bring_records(address: str, directory: Path, aws: Aws, advance: Advance) -> None:
    """Bring what is at an S3 address: a profiler-output folder, a job's whole folder, or an output.tar.gz.

    Args:
        address: s3://…/JOB/profiler-output or s3://…/JOB/output/output.tar.gz.
        directory: Where to.
        aws: Where and as whom.
        advance: Told how much is done; of a folder the files, of an archive the bytes.

    Raises:
        SettingError: It is no S3 address.
        DownloadError: Nothing is there, or it cannot be written here.
        ArchiveError: The archive is damaged.
        ServiceError: AWS refuses.
    """
    place = S3Address.parse(address)
    if place.key.endswith(".tar.gz"):
        archive = directory / ARCHIVE
        _bring_archive(place, archive, aws, advance)
        unpack_records(archive, directory)
        return
    download_folder(address, directory, aws, advance=lambda files, size: advance(files, files))
    for archive in directory.rglob(ARCHIVE):
        unpack_records(archive, directory)


def _bring_archive(place: S3Address, archive: Path, aws: Aws, advance: Advance) -> None:
    try:
        answer = aws.service("s3").call("GetObject", Bucket=place.bucket, Key=place.key)
    except AwsError as error:
        if error.code not in _MISSING:
            raise
        raise DownloadError(f"there is no {place}; name the output.tar.gz that a job left") from error
    done = 0
    try:
        with explained(f"bringing {place}"), archive.open("wb") as file:
            for chunk in answer["Body"].iter_chunks(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                advance(done, int(answer["ContentLength"]))
    except OSError as error:
        raise DownloadError(
            f"{archive} cannot be written: {error.strerror or error}; TMPDIR names another disk"
        ) from error
