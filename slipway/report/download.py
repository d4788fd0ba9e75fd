"""Downloads a job's records from S3."""

from collections.abc import Callable
from pathlib import Path

from slipway.aws.connection import Aws
from slipway.aws.s3_address import S3Address
from slipway.aws.s3_file import download_file
from slipway.aws.s3_folder import download_folder
from slipway.errors import DownloadError
from slipway.report.records import unpack_records

ARCHIVE = "output.tar.gz"

Advance = Callable[[int, int], None]


def download_records(address: str, directory: Path, aws: Aws, advance: Advance) -> None:
    """Download the records at an S3 address: a profiler-output folder, a job's whole folder, or an output.tar.gz.

    Args:
        address: s3://…/JOB/profiler-output or s3://…/JOB/output/output.tar.gz.
        directory: Where to write them.
        aws: Region and credentials.
        advance: Called with the amount done and the total: files of a folder, bytes of an archive.

    Raises:
        SettingError: It is not an S3 address.
        DownloadError: Nothing is there, or it cannot be written to disk.
        ArchiveError: The archive is damaged.
        ServiceError: AWS refuses the request.
    """
    place = S3Address.parse(address)
    if place.key.endswith(".tar.gz"):
        archive = directory / ARCHIVE
        if not download_file(place, archive, aws, advance):
            raise DownloadError(f"{place} does not exist; name the output.tar.gz of a job")
        unpack_records(archive, directory)
        return
    download_folder(address, directory, aws, advance=lambda files, size: advance(files, files))
    for archive in directory.rglob(ARCHIVE):
        unpack_records(archive, directory)
