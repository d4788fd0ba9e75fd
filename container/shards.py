"""Tar shards in WebDataset's form: indexed by their headers, pictures then read by offset."""

import errno
import json
import os
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PosixPath, PurePosixPath

from container.contract.errors import DataError
from container.folder import leftover, printable, same_name
from container.picture import ENDINGS

_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar.lz4")
_ZEROS = bytes(tarfile.BLOCKSIZE)
_LABEL_BYTES = 1 << 20
_SHOWN = 5


class MemberPath(PosixPath):
    """A picture in a shard: a path that reads as a file's does, named `<shard>/<member>`."""

    __slots__ = ("offset", "shard", "size")
    shard: Path
    offset: int
    """Bytes from the shard's start to the picture's."""
    size: int

    @classmethod
    def of(cls, shard: Path, name: str, offset: int, size: int) -> "MemberPath":
        """Return the path of a member, whose `size` bytes begin at `offset`."""
        path = cls(shard, name.lstrip("/"))
        path.shard, path.offset, path.size = shard, offset, size
        return path

    def read_bytes(self) -> bytes:
        """Read the picture without moving a file position, which forked processes would share.

        Raises:
            OSError: The shard cannot be opened, or has become shorter.
        """
        shard = os.open(self.shard, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = b""
            while len(data) < self.size:
                read = os.pread(shard, self.size - len(data), self.offset + len(data))
                if not read:
                    raise OSError(errno.EIO, "its shard has become shorter")
                data += read
        finally:
            os.close(shard)
        return data

    def __reduce__(self) -> tuple[object, ...]:
        name = os.fspath(self)[len(os.fspath(self.shard)) + 1 :]
        return MemberPath.of, (self.shard, name, self.offset, self.size)


@dataclass(kw_only=True)
class Shards:
    """The pictures of a folder's shards."""

    classes: dict[str, list[Path]] = field(default_factory=dict)
    """Pictures by class name, sorted; those of a class by shard and position."""
    others: Counter[str] = field(default_factory=Counter)
    """Members that are neither a picture nor its label, by extension."""
    without_picture: list[str] = field(default_factory=list)
    """Labels whose picture is missing."""

    def notes(self) -> list[str]:
        """Say what was left out, and what to do about it."""
        notes = []
        if self.others:
            kinds = ", ".join(f"{count:,} {printable(kind)}" for kind, count in self.others.most_common(_SHOWN))
            notes.append(
                f"{self.others.total():,} members of shards left out, as they are neither a picture nor its label: "
                f"{kinds}; convert pictures among them to JPEG or PNG, or add the extension"
            )
        if self.without_picture:
            notes.append(f"labels in shards left out, as they have no picture: {_listed(self.without_picture)}")
        return notes


def find_shards(files: Sequence[Path], directory: Path) -> list[Path]:
    """Return the shards among a folder's files.

    Raises:
        DataError: There are compressed shards.
    """
    shards = [path for path in files if path.suffix.lower() == ".tar"]
    compressed = [path.name for path in files if path.name.lower().endswith(_COMPRESSED)]
    if compressed:
        raise DataError(
            f"compressed shards in {printable(directory)}: {_listed(compressed)}; pictures in them cannot be read by "
            "offset. Decompress them to .tar: JPEGs hardly get larger by it"
        )
    return shards


def read_shards(shards: Sequence[Path]) -> Shards:
    """Index shards: pictures and labels are matched by key, the member's name up to the first dot after its folders.

    A label is the text of `KEY.cls`, else `label` in `KEY.json`, else the name of the picture's folder.

    Raises:
        DataError: A shard is cut, damaged or compressed, has two pictures or labels of one key, or a picture without a
            label.
    """
    found, classes, unlabelled = Shards(), dict[str, list[Path]](), list[str]()
    for shard in shards:
        pictures: dict[str, MemberPath] = {}
        labels: dict[str, str] = {}
        json_labels: dict[str, str] = {}
        twice: list[str] = []
        for member, text in _members(shard):
            folder, _, base = member.name.rpartition("/")
            start, _, kind = base.partition(".")
            key = f"{folder}/{start}"
            regular = member.isreg() and not member.issparse()
            if leftover(base):
                found.others["hidden or left behind by tools"] += 1
            elif regular and f".{kind.rpartition('.')[2].lower()}" in ENDINGS:
                twice += [member.name] * (key in pictures)
                pictures[key] = MemberPath.of(shard, member.name, member.offset_data, member.size)
            elif text is None:
                found.others[f".{kind}" if regular else "links or special files"] += 1
            else:
                of_kind = labels if kind.lower() == "cls" else json_labels
                twice += [member.name] * (key in of_kind)
                if label := text.strip() if of_kind is labels else _json_label(text):
                    of_kind[key] = label
        if twice:
            raise DataError(
                f"{printable(shard)} has two pictures or labels of the same key: {_listed(twice)}; give each picture a "
                "key of its own (the name up to its first dot)"
            )
        for key, picture in pictures.items():
            label = labels.get(key) or json_labels.get(key) or PurePosixPath(key).parent.name
            if label:
                classes.setdefault(same_name(label), []).append(picture)
            else:
                unlabelled.append(f"{shard.name}/{key.lstrip('/')}")
        found.without_picture += [f"{shard.name}/{key.lstrip('/')}" for key in labels if key not in pictures]
    if unlabelled:
        raise DataError(
            f"pictures in shards without a label: {_listed(unlabelled)}; add KEY.cls with the class name (or KEY.json "
            "with the key label), or put them into a folder named for the class"
        )
    found.classes = dict(sorted(classes.items()))
    return found


def _members(shard: Path) -> Iterator[tuple[tarfile.TarInfo, str | None]]:
    """Yield a shard's members, folders aside, each with its text if it can be a label."""
    try:
        with shard.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            while member := tar.next():
                tar.members.clear()  # type: ignore[attr-defined] # it would keep every header
                if member.isdir():
                    continue
                is_label = member.name.lower().endswith((".cls", ".json")) and member.isreg()
                text = None
                if is_label and member.size <= _LABEL_BYTES:
                    file.seek(member.offset_data)
                    text = file.read(member.size).decode("utf-8", "backslashreplace")
                yield member, text
            # tarfile takes a damaged header, and the end of the file, for the archive's end.
            file.seek(tar.offset)
            if file.read(tarfile.BLOCKSIZE) != _ZEROS:
                raise tarfile.ReadError(f"no end marker at byte {tar.offset:,}")
    except OSError as error:
        raise DataError(f"the shard {printable(shard)} cannot be read: {error.strerror}") from error
    except tarfile.TarError as error:
        raise DataError(
            f"the shard {printable(shard)} is cut, damaged, compressed or no tar file ({error}); copy it anew, or "
            "write it again without compression"
        ) from error


def _json_label(text: str) -> str:
    try:
        label = json.loads(text)["label"]
    except (ValueError, TypeError, KeyError):
        return ""
    return str(label).strip() if isinstance(label, str | int) else ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{len(names):,}: " + ", ".join(map(printable, names[:_SHOWN])) + more
