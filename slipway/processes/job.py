"""A job directory: SageMaker's /opt/ml on this machine, with the user's folders linked in as channels."""

import importlib.util
import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO

from container.contract.paths import MlPaths
from slipway.errors import JobError

_RESOURCES = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}


@dataclass(frozen=True)
class JobDirectory:
    """A job directory and the paths of its input, model, outputs and log."""

    path: Path
    earlier_hyperparameters: str | None = None
    """Content of an earlier job's hyperparameters file, before `open_job` changed it."""

    @property
    def layout(self) -> MlPaths:
        return MlPaths(self.path)

    @property
    def hyperparameters_file(self) -> Path:
        return self.layout.config / "hyperparameters.json"

    @property
    def log(self) -> Path:
        return self.path / "train.log"

    @property
    def archive(self) -> Path:
        return self.path / "output" / "model.tar.gz"

    @property
    def has_checkpoints(self) -> bool:
        return any(self.layout.checkpoints.glob("*"))

    def hyperparameters(self) -> dict[str, str]:
        """Read the hyperparameters that the job was last started with.

        Raises:
            JobError: The file is damaged.
        """
        try:
            values = json.loads(self.hyperparameters_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise JobError(
                f"{self.hyperparameters_file} cannot be read: {error}; give another --job-dir, or remove {self.path}"
            ) from error
        return {str(name): str(value) for name, value in values.items()}

    def restore_hyperparameters(self) -> None:
        """Undo the change of `open_job` to an earlier job's hyperparameters; leave a new job as it is."""
        if self.earlier_hyperparameters is not None:
            self.hyperparameters_file.write_text(self.earlier_hyperparameters, encoding="utf-8")

    @contextmanager
    def locked_log(self) -> Iterator[IO[str]]:
        """Open the log for appending, and lock it against other processes.

        Raises:
            JobError: Another process is running this job.
        """
        import fcntl  # only here: Windows has none, and its users start jobs in AWS

        with self.log.open("a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise JobError(
                    f"another process is running the job in {self.path}; wait for it, or give another --job-dir"
                ) from error
            yield file


def default_job_directory(architecture: str, parent: Path = Path("slipway-jobs")) -> Path:
    """Choose a new directory below `slipway-jobs`, named by time and architecture."""
    stem = f"{datetime.now():%Y-%m-%d-%H%M%S}-{architecture}"
    names = (stem, *(f"{stem}-{number}" for number in range(2, 1_000)))
    return next(path for name in names if not (path := parent / name).exists())


def open_job(path: Path, channels: Mapping[str, Path], hyperparameters: Mapping[str, str]) -> JobDirectory:
    """Create a job directory, or reopen one that trains on the same data.

    Args:
        path: A missing or empty directory, or an earlier job's.
        channels: Folders by channel name; for `weights`, a file or a folder.
        hyperparameters: Hyperparameters to set; an earlier job keeps its others.

    Raises:
        JobError: The directory holds something else or a job on other data, is in use, or cannot be written.
    """
    job = JobDirectory(path)
    wanted = {name: source.resolve() for name, source in channels.items()}
    try:
        if job.hyperparameters_file.is_file():
            _require_same(job, wanted)
            hyperparameters = {**job.hyperparameters(), **hyperparameters}
            job = replace(job, earlier_hyperparameters=job.hyperparameters_file.read_text(encoding="utf-8"))
            # Locked, so that a running job's files are not changed.
            with job.locked_log():
                _write(job, wanted, hyperparameters)
            return job
        if path.exists():
            _require_empty(path)
        _write(job, wanted, hyperparameters)
    except OSError as error:
        raise JobError(
            f"the job directory {path} cannot be written: {error.strerror}; give another one with --job-dir"
        ) from error
    return job


def _require_empty(path: Path) -> None:
    if not path.is_dir():
        raise JobError(f"the job directory {path} is a file; give another one with --job-dir")
    if found := sorted(entry.name for entry in path.iterdir()):
        raise JobError(
            f"{path} holds something other than a job ({', '.join(found[:4])}); "
            "give --job-dir a folder that is empty or does not exist yet"
        )


def _require_same(job: JobDirectory, wanted: Mapping[str, Path]) -> None:
    found = {link.name: _source(link) for link in job.layout.channels.iterdir()} if job.layout.channels.is_dir() else {}
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            raise JobError(
                f"the job in {job.path} has other data: its {name} channel is {found.get(name, 'missing')}, and is "
                f"{wanted.get(name, 'missing')} now; give the same data to resume it, or another --job-dir"
            )


def _source(link: Path) -> Path:
    # The weights channel is a folder with a link to the user's file, since a channel is a folder.
    if link.is_dir() and not link.is_symlink():
        link = next(link.iterdir(), link)
    return link.resolve()


def _write(job: JobDirectory, channels: Mapping[str, Path], hyperparameters: Mapping[str, str]) -> None:
    for directory in (job.layout.config, job.layout.channels, job.layout.model, job.layout.checkpoints):
        directory.mkdir(parents=True, exist_ok=True)
    for name, source in channels.items():
        link = job.layout.channels / name
        if source.is_file():
            link.mkdir(exist_ok=True)
            link /= source.name
        if not link.is_symlink():
            link.symlink_to(source)
    configuration = {
        "hyperparameters.json": dict(hyperparameters),
        "inputdataconfig.json": {name: {"TrainingInputMode": "File"} for name in channels},
        "resourceconfig.json": _RESOURCES,
    }
    for name, content in configuration.items():
        (job.layout.config / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def require_installed(*packages: str) -> None:
    """Raise a JobError unless the packages, which only local jobs need, are installed on a system that can run them."""
    if not hasattr(signal, "SIGHUP"):
        raise JobError(
            "training and serving on this machine need Linux; on Windows use WSL 2, or give --instance-type to run it "
            "on SageMaker"
        )
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise JobError(
            f"{' and '.join(missing)} cannot be imported, which training and serving on this machine need; "
            "install them: pip install 'slipway[local]'"
        )
