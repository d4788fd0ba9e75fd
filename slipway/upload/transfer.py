"""Sending a folder: what is there already stays, and one file that fails does not stop the others."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipway.aws.connection import Aws, Service
from slipway.checks.s3_address import S3Address
from slipway.dataset_folder import require_folder
from slipway.errors import UploadError
from slipway.settings import Settings
from slipway.upload.objects import is_there, require_bucket, send
from slipway.upload.walk import LocalFile, Unsent, walk

DATA_PREFIX = "dogImages"
"""Where data goes in a bucket when no prefix is named."""

WORKERS = 10
"""Transfers at a time: as many as botocore keeps connections. Each holds a part of a file in memory."""

Advance = Callable[[int, int], None]
"""Told how many files and bytes were dealt with so far."""


@dataclass
class Uploaded:
    """What came of an upload, so far while it runs."""

    sent: int = 0
    """Files."""
    sent_bytes: int = 0
    kept: int = 0
    """Files that were there already, with the same size and checksum."""
    kept_bytes: int = 0
    strangers: int = 0
    """Objects below the address that are no file of the folder; they are left alone."""
    unsent: list[Unsent] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something should have been sent and was not."""
        return any(not item.harmless for item in self.unsent)


def destination(text: str) -> S3Address:
    """The address to upload to: dogImages/ where a bucket alone is named.

    Raises:
        SettingError: It is no S3 address.
    """
    place = S3Address.parse(text)
    return place if place.key.strip("/") else place.below(DATA_PREFIX)


def upload(
    directory: Path | str,
    to: str,
    *,
    region: str | None = None,
    profile: str | None = None,
    kms_key: str | None = None,
    advance: Advance = lambda files, size: None,
) -> Uploaded:
    """Send every file below a folder that S3 does not have yet; folder names stay as they are.

    Args:
        directory: Hidden files are left out.
        to: s3://BUCKET/PREFIX; for s3://BUCKET, its dogImages/.
        region: None: Settings', AWS_REGION, else the profile's.
        profile: None: Settings', AWS_PROFILE, else the default one.
        kms_key: ID or ARN of the key to encrypt with; None: as the bucket does.
        advance: Told of the progress.

    Raises:
        DataError: There is no such folder.
        UploadError: There is no such bucket, it is in another region, or the folder holds no file.
        ServiceError: AWS refuses all of it.
    """
    settings = Settings.read()
    aws = Aws(region or settings.region, profile or settings.profile)
    return Upload(Path(directory), destination(to), aws, kms_key=kms_key).run(advance)


class Upload:
    """An upload that can be asked how far it is, also after it was interrupted.

    Args:
        directory: What to send.
        place: Where to.
        aws: Where and as whom.
        kms_key: To encrypt with.
    """

    def __init__(self, directory: Path, place: S3Address, aws: Aws, *, kms_key: str | None = None) -> None:
        require_folder(directory)
        self.done = Uploaded()
        self._directory, self._place, self._aws = directory, place, aws
        self._kms_key = kms_key
        self._lock, self._stopping = threading.Lock(), threading.Event()

    def run(self, advance: Advance = lambda files, size: None, stopping: Callable[[], None] = lambda: None) -> Uploaded:
        """Send what is not there; see `upload`. What was sent when an exception ends it stays.

        Args:
            advance: Told how far it is.
            stopping: Called when an exception ends it, before what is being sent is waited for.
        """
        self._advance = advance
        s3 = self._aws.service("s3")
        require_bucket(s3, self._place, self._aws.region)
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="upload") as pool:
            try:
                self._run(s3, pool)
            except BaseException:
                self._stopping.set()
                stopping()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        if not (self.done.sent or self.done.kept or self.done.unsent):
            raise UploadError(f"{self._directory} holds no files; name the folder that holds the pictures")
        return self.done

    def _run(self, s3: Service, pool: ThreadPoolExecutor) -> None:
        pending: set[Future[None]] = set()
        for item, there in self._beside_what_is_there(s3):
            if isinstance(item, Unsent):
                self.done.unsent.append(item)
                continue
            # So that memory does not grow with the number of files.
            if len(pending) >= 4 * WORKERS:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
            pending.add(pool.submit(self._transfer, s3, item, there))
        for future in pending:
            future.result()

    def _beside_what_is_there(self, s3: Service) -> Iterator[tuple[LocalFile | Unsent, bool]]:
        """What is below the folder, and of each file whether an object of its name and size is there."""
        prefix = self._place.key.rstrip("/") + "/"
        listing = s3.pages("ListObjectsV2", "Contents", Bucket=self._place.bucket, Prefix=prefix)
        found: Any = next(listing, None)
        for item in walk(self._directory, 1024 - len(prefix.encode())):
            if isinstance(item, LocalFile):
                key = (prefix + item.name).encode()
                # Both come in the same order, so that neither has to be held as a whole.
                while found is not None and found["Key"].encode() < key:
                    self.done.strangers += not found["Key"].endswith("/")
                    found = next(listing, None)
                if found is not None and found["Key"].encode() == key:
                    yield item, found["Size"] == item.size
                    found = next(listing, None)
                    continue
            yield item, False
        self.done.strangers += sum(not rest["Key"].endswith("/") for rest in ([found] if found else []))
        self.done.strangers += sum(not rest["Key"].endswith("/") for rest in listing)

    def _transfer(self, s3: Service, file: LocalFile, there: bool) -> None:
        place = self._place.below(file.name)
        try:
            if there and is_there(s3, place, file):
                with self._lock:
                    self.done.kept += 1
                    self.done.kept_bytes += file.size
            else:
                send(s3, place, file, self._kms_key, self._sent)
                with self._lock:
                    self.done.sent += 1
        except UploadError as error:
            with self._lock:
                self.done.unsent.append(Unsent(file.path, str(error)))
        self._tell()

    def _sent(self, size: int) -> bool:
        with self._lock:
            self.done.sent_bytes += size
        self._tell()
        return not self._stopping.is_set()

    def _tell(self) -> None:
        with self._lock:
            self._advance(self.done.sent + self.done.kept, self.done.sent_bytes + self.done.kept_bytes)
