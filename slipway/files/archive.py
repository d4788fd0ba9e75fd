"""Packs a model directory as model.tar.gz, and unpacks one without trusting its content."""

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path

from container.contract.errors import UserError
from slipway.errors import ArchiveError

MODEL_FILES = ("model.json", "model.pth", "code/inference.py")
"""Every model directory has one of these: Slipway's, the seed project's, or that of a user's own inference.py."""

NOT_COMPRESSED = 0
"""Tensors, which are most of what is packed, shrink by 7 % only, for 15 times the CPU time."""


def pack_model(model: Path, archive: Path) -> None:
    """Pack the content of a model directory, flat as SageMaker does, and move the complete archive into place.

    The same content gives the same bytes.

    Raises:
        ArchiveError: It cannot be written; an earlier archive is untouched.
    """
    temporary = archive.with_name(f".{archive.name}.part")
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        with (
            temporary.open("wb") as file,
            gzip.GzipFile("", "wb", NOT_COMPRESSED, file, mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w") as tar,
        ):
            for path in sorted(model.iterdir()):
                if not path.name.startswith("."):
                    tar.add(path, path.name, filter=_anonymous)
        temporary.replace(archive)
    except OSError as error:
        raise ArchiveError(
            f"{archive} cannot be written: {error.strerror}; the model itself is safe in {model}. Free some space "
            "and run the same command again"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def unpack_model(archive: Path, directory: Path) -> None:
    """Unpack an archive below a directory: plain files and folders only, none of them outside it.

    Raises:
        ArchiveError: It is no tar archive, damaged, would write elsewhere, or holds no model.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if problem := _unpack_member(tar, member, directory.resolve()):
                    raise ArchiveError(
                        f"{archive} is not safe to unpack: its member {member.name!r} {problem}. A model.tar.gz holds "
                        "plain files and folders only; nothing was served"
                    )
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        if not _looks_like_archive(archive):
            raise ArchiveError(
                f"{archive} is not a tar archive ({archive.stat().st_size:,} bytes); name the model.tar.gz that "
                "slipway train printed"
            ) from error
        # tarfile names every compression that it has tried, on a line each.
        reason = "there is no tar archive in it" if "\n" in str(error) else str(error)
        raise ArchiveError(
            f"{archive} cannot be read as a model.tar.gz: {reason}; it is another kind of file, or was cut off "
            "while it was copied"
        ) from error
    except OSError as error:
        raise ArchiveError(f"{archive} cannot be unpacked: {error.strerror or error}") from error
    require_model(directory, f"{archive} holds no model", ArchiveError)


def _looks_like_archive(path: Path) -> bool:
    """Whether a file's first bytes are those of gzip, bzip2, xz or tar; it may still be truncated."""
    with path.open("rb") as file:
        start = file.read(512)
    return start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")) or start[257:262] == b"ustar"


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, directory: Path) -> str | None:
    """Write one member, or raise an ArchiveError that says why not.

    Stricter than tarfile's own `data` filter, which Python 3.11 has only from 3.11.4 on (Debian 12 has 3.11.2).
    """
    target = (directory / member.name).resolve()
    if not target.is_relative_to(directory):
        return "would be written outside the model directory"
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return None
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        return "is a link or a device"
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
    return None


def holds_model(directory: Path) -> bool:
    """Whether a directory has one of the files of a model directory, or a TorchScript archive."""
    if any((directory / name).is_file() for name in MODEL_FILES):
        return True
    # Only here, because it takes longer to import than the rest of the command.
    from container.torchscript import find_torchscript

    return find_torchscript(directory) is not None


def require_model(directory: Path, problem: str, error: type[UserError]) -> None:
    """Raise `error`, with what the directory holds, unless it is a model directory."""
    if holds_model(directory):
        return
    found = sorted(path.name for path in directory.iterdir())
    listed = ", ".join(found[:6]) + (", …" if len(found) > 6 else "") if found else "nothing"
    raise error(
        f"{problem}: there is neither model.json (with model.safetensors) nor model.pth nor code/inference.py nor a "
        f"TorchScript archive. It holds: {listed}. `slipway train` makes one"
    )
