"""Finds a job's records: in a job directory, its output data, an archive of it, or a profiler's directory."""

import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from container.contract.errors import ReportError
from slipway.errors import ArchiveError
from slipway.files.paths_below import path_below

_METRICS = "metrics.jsonl"
_PROFILE = ("profile.json", "system", "framework")

_FILES = (
    "metrics.jsonl", "confusion_matrix.csv", "per_class.csv", "job.json", "probabilities.json", "debug-findings.json",
)  # fmt: skip
_FOLDERS = ("profile", "mistakes")


@dataclass(frozen=True, kw_only=True)
class Records:
    """The records to make reports from; at least one of the two."""

    training: Path | None
    """The job's output data."""
    profile: Path | None
    """The records of our profiler, or SageMaker's."""
    place: Path
    """Where the pages go by default."""


def find_records(path: Path) -> Records:
    """Find the records in a directory.

    Args:
        path: A job directory of `slipway train`, an output/data directory, or a profiler-output directory.

    Raises:
        ReportError: The directory does not exist, or holds no records.
    """
    if not path.is_dir():
        raise ReportError(
            f"there is no directory {path}; name a job directory of slipway train, its output/data, a profiler-output "
            "directory, an output.tar.gz, or the S3 address of one of the last two"
        )
    folders = (path, path / "output" / "data")
    training = next((folder for folder in folders if (folder / _METRICS).is_file()), None)
    profiles = (path, path / "profile", path / "output" / "data" / "profile", path / "profiler-output")
    profile = next((folder for folder in profiles if any((folder / name).exists() for name in _PROFILE)), None)
    if training is None and profile is None:
        found = ", ".join(sorted(entry.name for entry in path.iterdir())[:6]) or "nothing"
        raise ReportError(
            f"{path} holds no records of a job: neither {_METRICS}, which training writes after each epoch, nor "
            f"{', '.join(_PROFILE[:-1])} or {_PROFILE[-1]}, which profilers write. It holds: {found}"
        )
    return Records(training=training, profile=profile, place=training or _place(path))


def _place(path: Path) -> Path:
    data = path / "output" / "data"
    return data if data.is_dir() else path


def unpack_records(archive: Path, directory: Path) -> None:
    """Unpack the records from an output.tar.gz, and nothing else.

    Raises:
        ArchiveError: It is not an archive, or damaged.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                target = path_below(directory, member.name) if _is_wanted(member.name) and member.isreg() else None
                content = tar.extractfile(member) if target else None
                if target and content:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ArchiveError(
            f"{archive} cannot be read as an output.tar.gz: it is not such an archive, or was "
            "cut off while it was copied"
        ) from error
    except OSError as error:
        raise ArchiveError(f"{archive} cannot be unpacked: {error.strerror or error}") from error


def _is_wanted(name: str) -> bool:
    """Whether it is one of the files that a job records."""
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    return bool(parts) and (parts[0] in _FOLDERS or parts in ([file] for file in _FILES))
