"""A job directory: SageMaker's /opt/ml on this machine, with the user's folders linked in as channels."""

import fcntl
import importlib.util
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO

from container.paths import MlPaths
from slipway.errors import JobError

_RESOURCES = {"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "lo"}


@dataclass(frozen=True)
class JobDirectory:
    """Where a job's input, model, outputs and log are."""

    path: Path
    earlier_hyperparameters: str | None = None
    """The text of an earlier job's file, as it was before `open_job` changed it."""

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
        """What the job was last started with.

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
        """Make an earlier job what it was before `open_job`; a new one is left as it is."""
        if self.earlier_hyperparameters is not None:
            self.hyperparameters_file.write_text(self.earlier_hyperparameters, encoding="utf-8")

    @contextmanager
    def locked_log(self) -> Iterator[IO[str]]:
        """The log, open for appending; one process at a time holds it.

        Raises:
            JobError: Another process is running this job.
        """
        with self.log.open("a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise JobError(
                    f"another process is running the job in {self.path}; wait for it, or give another --job-dir"
                ) from error
            yield file


def default_job_directory(architecture: str, parent: Path = Path("slipway-jobs")) -> Path:
    """A new name below `slipway-jobs`, by time and architecture."""
    stem = f"{datetime.now():%Y-%m-%d-%H%M%S}-{architecture}"
    names = (stem, *(f"{stem}-{number}" for number in range(2, 1_000)))
    return next(path for name in names if not (path := parent / name).exists())


def open_job(path: Path, channels: Mapping[str, Path], hyperparameters: Mapping[str, str]) -> JobDirectory:
    """Make a job directory, or take up one that trains on the same data.

    Args:
        path: Missing, empty, or an earlier job's.
        channels: Folders by channel name; for `weights`, a file.
        hyperparameters: Overrides; an earlier job's others stay as they were.

    Raises:
        JobError: The directory holds something else or another data set's job, is in use, or cannot be written.
    """
    job = JobDirectory(path)
    wanted = {name: source.resolve() for name, source in channels.items()}
    try:
        if job.hyperparameters_file.is_file():
            _require_same(job, wanted)
            hyperparameters = {**job.hyperparameters(), **hyperparameters}
            job = replace(job, earlier_hyperparameters=job.hyperparameters_file.read_text(encoding="utf-8"))
            # A running job's files stay as they are.
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
            f"{path} holds something else than a job ({', '.join(found[:4])}); "
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
    # The weights channel is a folder with one link in it, since a channel is a folder and the user gives a file.
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
    """Raise a JobError unless all packages, which only this machine's jobs need, are installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise JobError(
            f"{' and '.join(missing)} cannot be imported, which training and serving on this machine need; "
            "install them: pip install 'slipway[local]'"
        )
