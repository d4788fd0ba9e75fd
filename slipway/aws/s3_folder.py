"""Downloads a folder from S3, such as a job's debug-output or profiler-output."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from container.atomic_file import write_atomically
from slipway.aws.connection import Aws, Service
from slipway.aws.refusals import explained
from slipway.aws.s3_address import S3Address
from slipway.errors import DownloadError
from slipway.files.paths_below import path_below

WORKERS = 16
"""Number of concurrent downloads; the files are many and small."""


def download_folder(
    address: str, directory: Path, aws: Aws, *, advance: Callable[[int, int], None] = lambda files, total: None
) -> Path:
    """Download every file below an S3 address; skip local files of the same size.

    Args:
        address: s3://BUCKET/PREFIX, without a file's name.
        directory: Target folder; created if missing.
        aws: Credentials and region.
        advance: Called with the number of files done, and the total.

    Returns:
        The directory.

    Raises:
        SettingError: The address is invalid.
        DownloadError: There are no files, or they cannot be written.
        ServiceError: AWS refuses.
    """
    place = S3Address.parse(address)
    prefix = f"{place.key.rstrip('/')}/" if place.key else ""
    s3 = aws.service("s3")
    listed = [
        entry
        for entry in s3.pages("ListObjectsV2", "Contents", Bucket=place.bucket, Prefix=prefix)
        if not entry["Key"].endswith("/")
    ]
    if not listed:
        raise DownloadError(
            f"there is nothing below {place}; the end of slipway train and Estimator.debugger_outputs() say where "
            "SageMaker puts a job's tensors and measurements"
        )
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="download") as pool:
        futures = [
            pool.submit(_download, s3, place.bucket, entry, _path_below(directory, entry["Key"].removeprefix(prefix)))
            for entry in listed
        ]
        try:
            for done, future in enumerate(futures, start=1):
                future.result()
                advance(done, len(futures))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return directory


def download_file(place: S3Address, directory: Path, aws: Aws) -> Path:
    """Download one object into a folder, under the last part of its key; return the file.

    Raises:
        DownloadError: It cannot be written.
        ServiceError: AWS refuses.
    """
    s3 = aws.service("s3")
    size = s3.call("HeadObject", Bucket=place.bucket, Key=place.key)["ContentLength"]
    path = _path_below(directory, PurePosixPath(place.key).name)
    _download(s3, place.bucket, {"Key": place.key, "Size": size}, path)
    return path


def _path_below(directory: Path, name: str) -> Path:
    path = path_below(directory, name)
    if path is None:
        raise DownloadError(
            f"an object's name is {name!r}, which would leave the folder {directory}; nothing is downloaded"
        )
    return path


def _download(s3: Service, bucket: str, entry: Any, path: Path) -> None:
    try:
        if path.is_file() and path.stat().st_size == entry["Size"]:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        body = s3.call("GetObject", Bucket=bucket, Key=entry["Key"])["Body"]

        def write(temporary: Path) -> None:
            with explained(f"downloading s3://{bucket}/{entry['Key']}"), temporary.open("wb") as file:
                shutil.copyfileobj(body, file)

        write_atomically(path, write)
    except OSError as error:
        raise DownloadError(f"{path} cannot be written: {error.strerror or error}") from error
