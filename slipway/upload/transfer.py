"""Uploads a folder: existing objects are skipped, and a failed file does not stop the others."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slipway.aws.connection import Aws, Service
from slipway.aws.s3_address import S3Address
from slipway.datasets.folder import require_folder
from slipway.errors import UploadError
from slipway.settings.slipway_toml import Settings
from slipway.upload.objects import is_there, require_bucket, send
from slipway.upload.selection import files_to_send
from slipway.upload.walk import MAX_KEY_BYTES, LocalFile, Unsent

DATA_PREFIX = "dogImages"
"""Default prefix of data in a bucket."""

WORKERS = 10
"""Concurrent transfers: as many as botocore keeps connections. Each holds a part of a file in memory."""

Advance = Callable[[int, int], None]
"""Called with the number of files and bytes done so far."""


@dataclass
class Uploaded:
    """The result of an upload, or its progress."""

    sent: int = 0
    """Number of files sent."""
    sent_bytes: int = 0
    kept: int = 0
    """Number of files that were already there, with the same size and checksum."""
    kept_bytes: int = 0
    extra: int = 0
    """Number of objects below the address that are not in the folder; they are kept."""
    unsent: list[Unsent] = field(default_factory=list)
    leftovers: Counter[str] = field(default_factory=Counter)
    """Skipped leftovers of systems and tools, such as hidden files, by name."""
    unnamed: list[Path] = field(default_factory=list)
    """Skipped files of a channel whose manifest does not name them."""

    @property
    def failed(self) -> bool:
        """Whether a file could not be sent."""
        return any(not item.harmless for item in self.unsent)


def destination(text: str) -> S3Address:
    """Parse the address to upload to; the default prefix is dogImages/.

    Raises:
        SettingError: The text is not an S3 address.
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
    """Upload every file below a folder that S3 does not have yet, with its folder names.

    Of a channel with a manifest, the manifest and the files that it names are uploaded.

    Args:
        directory: Folder to upload; leftovers of systems and tools, such as hidden files, are skipped.
        to: s3://BUCKET/PREFIX; for s3://BUCKET, its dogImages/.
        region: AWS region; None: Settings', AWS_REGION, else the profile's.
        profile: AWS profile; None: Settings', AWS_PROFILE, else the default one.
        kms_key: ID or ARN of the key to encrypt with; None: the bucket's setting.
        advance: Called with the progress.

    Raises:
        DataError: There is no such folder, or a manifest cannot be used or names absent files.
        UploadError: There is no such bucket, it is in another region, or the folder holds no files.
        ServiceError: AWS refuses.
    """
    settings = Settings.read()
    aws = Aws(region or settings.region, profile or settings.profile)
    return Upload(Path(directory), destination(to), aws, kms_key=kms_key).run(advance)


class Upload:
    """An upload whose progress can be read, even after an interruption.

    Args:
        directory: Folder to upload.
        place: Address to upload to.
        aws: Credentials and region.
        kms_key: Key to encrypt with.
    """

    def __init__(self, directory: Path, place: S3Address, aws: Aws, *, kms_key: str | None = None) -> None:
        require_folder(directory)
        self.done = Uploaded()
        self._directory, self._place, self._aws = directory, place, aws
        self._kms_key = kms_key
        self._lock, self._stopping = threading.Lock(), threading.Event()

    def run(self, advance: Advance = lambda files, size: None, stopping: Callable[[], None] = lambda: None) -> Uploaded:
        """Send the missing files; see `upload`. After an exception, objects that were sent remain.

        Args:
            advance: Called with the progress.
            stopping: Called after an exception, before waiting for transfers in progress.
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
        """Yield each file below the folder, and whether an object of its name and size exists."""
        prefix = self._place.key.rstrip("/") + "/"
        listing = s3.pages("ListObjectsV2", "Contents", Bucket=self._place.bucket, Prefix=prefix)
        found: Any = next(listing, None)
        room = MAX_KEY_BYTES - len(prefix.encode())
        for item in files_to_send(self._directory, self.done.leftovers, self.done.unnamed, room):
            if isinstance(item, LocalFile):
                key = (prefix + item.name).encode()
                # Both are in the same order, so that neither has to be kept in memory.
                while found is not None and found["Key"].encode() < key:
                    self.done.extra += not found["Key"].endswith("/")
                    found = next(listing, None)
                if found is not None and found["Key"].encode() == key:
                    yield item, found["Size"] == item.size
                    found = next(listing, None)
                    continue
            yield item, False
        self.done.extra += sum(not rest["Key"].endswith("/") for rest in ([found] if found else []))
        self.done.extra += sum(not rest["Key"].endswith("/") for rest in listing)

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
        self._report_progress()

    def _sent(self, size: int) -> bool:
        with self._lock:
            self.done.sent_bytes += size
        self._report_progress()
        return not self._stopping.is_set()

    def _report_progress(self) -> None:
        with self._lock:
            self._advance(self.done.sent + self.done.kept, self.done.sent_bytes + self.done.kept_bytes)
