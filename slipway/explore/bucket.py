"""A data set in S3, with the names of its objects as empty files in a folder, in which the folder's rules hold."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from container.contract.errors import DataError
from container.manifest import ENDINGS
from slipway.aws.connection import Aws
from slipway.aws.s3_address import S3Address
from slipway.aws.s3_file import download_file
from slipway.aws.s3_folder import WORKERS
from slipway.errors import DownloadError
from slipway.explore.scan import Picture
from slipway.files.paths_below import path_below

# A manifest lies in the data folder, or in a split's.
_MANIFEST_DEPTH = 2


class Bucket:
    """The data below an S3 address.

    Args:
        address: s3://BUCKET/PREFIX.
        folder: An empty folder for the names.
        aws: Credentials and region.

    Raises:
        SettingError: The address is invalid.
    """

    def __init__(self, address: str, folder: Path, aws: Aws) -> None:
        found = S3Address.parse(address)
        # With a slash, `dogs` does not include `dogs-old`.
        self.place = S3Address(found.bucket, f"{found.key.rstrip('/')}/" if found.key else "")
        self.folder = folder
        self._aws = aws

    def list_names(self) -> int:
        """Make an empty file for each object, download what can be a manifest, and return the number of files.

        Raises:
            DataError: There are no objects, or their names cannot be those of files.
            ServiceError: AWS refuses.
        """
        count = 0
        s3 = self._aws.service("s3")
        for entry in s3.pages("ListObjectsV2", "Contents", Bucket=self.place.bucket, Prefix=self.place.key):
            if entry["Key"].endswith("/"):
                continue
            name = entry["Key"].removeprefix(self.place.key)
            path = path_below(self.folder, name)
            if path is None:
                raise DataError(f"the object {entry['Key']!r} has a name that cannot be a file's; rename it")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            except OSError as error:
                raise DataError(
                    f"the object {entry['Key']!r} cannot be a file beside the others ({error.strerror}); rename it"
                ) from error
            if name.lower().endswith(ENDINGS) and name.count("/") < _MANIFEST_DEPTH:
                download_file(self.place.below(name), path, self._aws)
            count += 1
        if not count:
            raise DataError(
                f"there is nothing below {self.place}; slipway data upload DIRECTORY {self.place} uploads it"
            )
        return count

    def fetch(self, pictures: Sequence[Picture]) -> None:
        """Download some pictures in place of their empty files.

        Raises:
            DownloadError: One is not there any more, or cannot be written.
            ServiceError: AWS refuses.
        """
        paths = {picture.path for picture in pictures if not picture.path.stat().st_size}
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="download") as pool:
            for path, found in zip(paths, pool.map(self._download, paths), strict=True):
                if not found:
                    raise DownloadError(f"{self._address(path)} is not there any more; explore the data again")

    def _download(self, path: Path) -> bool:
        return download_file(self._address(path), path, self._aws)

    def _address(self, path: Path) -> S3Address:
        return self.place.below(path.relative_to(self.folder).as_posix())

    def named(self, text: str) -> str:
        """Replace the folder by the address in a sentence."""
        return text.replace(f"{self.folder}/", str(self.place)).replace(str(self.folder), str(self.place))

    @contextmanager
    def errors_named(self) -> Iterator[None]:
        """Replace the folder by the address in errors about the data."""
        try:
            yield
        except DataError as error:
            raise DataError(self.named(str(error))) from error
