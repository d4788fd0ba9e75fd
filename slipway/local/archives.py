"""Files that go into a container and come out of it, as tar streams: none on this machine is written by root."""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docker.errors import NotFound
from docker.models.containers import Container

from container.atomic_file import write_atomically
from container.full_disk import is_disk_full
from slipway.errors import JobError, SpaceError
from slipway.files.archive import NOT_COMPRESSED
from slipway.local.engine import explained


def put_files(container: Container, files: Mapping[str, Any], folders: Iterable[str] = ()) -> None:
    """Write JSON files into a container, and make folders that any user may write to.

    Args:
        container: Need not run.
        files: Values by absolute path.
        folders: Absolute paths.

    Raises:
        ServiceError: Docker refuses.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in folders:
            member = tarfile.TarInfo(folder.lstrip("/"))
            member.type, member.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(member)
        for path, value in files.items():
            content = json.dumps(value, indent=2).encode()
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with explained("writing the job's configuration into the container"):
        container.put_archive("/", buffer.getvalue())


def read_text(container: Container, path: str) -> str:
    """Read a text file of a container; empty if there is none."""
    with _members(container, path) as members:
        for tar, member in members:
            if member.isfile() and (file := tar.extractfile(member)):
                return file.read().decode(errors="replace")
    return ""


def pack(containers: Iterable[Container], folder: str, archive: Path) -> int:
    """Write the content of a folder of several containers to one .tar.gz; of files of one name, the first counts.

    Args:
        containers: In the order of their hosts.
        folder: Absolute path, the same in all of them.
        archive: Written atomically, and owned by the calling user.

    Returns:
        The number of files.

    Raises:
        SpaceError: The disk is full.
        JobError: The archive cannot be written for another reason.
        ServiceError: Docker refuses.
    """
    packed: set[str] = set()
    count = 0

    def write(path: Path) -> None:
        nonlocal count
        with tarfile.open(path, "w:gz", compresslevel=NOT_COMPRESSED) as target:
            for container in containers:
                with _members(container, folder) as members:
                    for tar, member in members:
                        member.name = member.name.partition("/")[2]
                        if not member.name or member.name in packed:
                            continue
                        packed.add(member.name)
                        if member.islnk():
                            member.linkname = member.linkname.partition("/")[2]
                        member.uid = member.gid = 0
                        member.uname = member.gname = ""
                        target.addfile(member, tar.extractfile(member) if member.isreg() else None)
                        count += member.isreg()

    try:
        write_atomically(archive, write)
    except (OSError, tarfile.TarError) as error:
        kind = SpaceError if isinstance(error, OSError) and is_disk_full(error) else JobError
        raise kind(f"{archive} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    return count


@contextmanager
def _members(container: Container, path: str) -> Iterator[Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]]:
    """Yield the members below a path of a container; none if there is no such path."""
    with explained(f"reading {path} from the container"):
        try:
            chunks, _ = container.get_archive(path)
        except NotFound:
            chunks = None
    if chunks is None:
        yield iter(())
        return
    with tarfile.open(fileobj=io.BufferedReader(_Chunks(chunks)), mode="r|") as tar:
        yield ((tar, member) for member in tar)


class _Chunks(io.RawIOBase):
    """A readable file of the chunks of an iterator."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with explained("reading from the container"):
            self._rest = self._rest or next(self._chunks, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size
