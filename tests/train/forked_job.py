"""The training program in a process that is forked from one that has imported torch: starting it costs next to nothing.

It runs all of `container.train.program`, with its DataLoader workers and background writer; only the launcher and the
toolkit are missing.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import ClassVar

import psutil
import timm

from container.train import program
from container.train.launch.torchrun import free_port
from container.train.loop.train_model import train_model
from tests.train.conftest import JobDirectory, Result

Plant = Callable[[], None]
"""Called in the process before it trains: a module's function, or an instance of a module's class."""

__all__ = ["ForkedJob", "Plant", "timm", "train_model"]  # importing the job is what takes the time


def fork_server() -> ForkServerContext:
    """What starts processes that are forked from one that has imported this module, and so all of a job."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def nothing() -> None:
    pass


class ForkedJob:
    """A job that has begun.

    Args:
        directory: Its own; channels and hyperparameters are there.
        plant: The fault.
    """

    _running: ClassVar[list["ForkedJob"]] = []

    def __init__(self, directory: JobDirectory, plant: Plant = nothing) -> None:
        pipe = directory.base / "log"
        if not pipe.exists():
            os.mkfifo(pipe)
        self._process = fork_server().Process(target=_enter, args=(directory.base, pipe, plant))
        self._process.start()
        self._running.append(self)
        self.log = pipe.open()
        """Ends with the last of the job's processes."""

    @property
    def pid(self) -> int:
        """Process id of the program, which leads the group that its DataLoader workers are in."""
        assert self._process.pid is not None
        return self._process.pid

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def end(self) -> tuple[int, str]:
        """Wait for all of the job's processes.

        Returns:
            The program's exit code, -n where signal n ended it, and what is left of the log.
        """
        rest = self.log.read()
        self.log.close()
        self._process.join()
        self._running.remove(self)
        assert self._process.exitcode is not None
        return self._process.exitcode, rest

    @classmethod
    def end_all(cls) -> None:
        """Kill those that a test did not see to their end."""
        for job in list(cls._running):
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(job.pid, signal.SIGKILL)
            job.end()


def run_forked(directory: JobDirectory, plant: Plant = nothing) -> tuple[int, str]:
    """Run a job to its end: `ForkedJob.end`."""
    return ForkedJob(directory, plant).end()


def run_program(directory: JobDirectory, values: Mapping[str, object], plant: Plant = nothing) -> Result:
    """Runs a job like `JobDirectory.run`, without launcher and toolkit; the whole log is the standard output."""
    directory.hyperparameters(values)
    code, log = run_forked(directory, plant)
    return Result(code, log, "")


@dataclass(frozen=True)
class Variables:
    """Sets environment variables of a forked job, as `JobDirectory.environment` does for one that is started."""

    values: Mapping[str, str]

    def __call__(self) -> None:
        os.environ |= self.values


@dataclass(frozen=True)
class PackagesIn:
    """Lets a forked process import packages from a directory before any other."""

    directory: Path

    def __call__(self) -> None:
        sys.path.insert(0, str(self.directory))


@dataclass(frozen=True)
class AsRank:
    """Makes a forked job one process of several, by the environment that torchrun would give it."""

    rank: int
    local_rank: int
    size: int
    local_size: int
    port: int

    def __call__(self) -> None:
        os.environ |= {
            "TORCHELASTIC_RUN_ID": "forked",
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.size),
            "LOCAL_RANK": str(self.local_rank),
            "LOCAL_WORLD_SIZE": str(self.local_size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(self.port),
            "GLOO_SOCKET_IFNAME": "lo",
        }


def start_ranks(directories: Sequence[JobDirectory], values: Mapping[str, object]) -> list[ForkedJob]:
    """Start one process in each directory, without launchers; a directory that is there twice is a host of two."""
    port = free_port()
    for directory in directories:
        directory.hyperparameters(values)
    jobs = []
    for rank, directory in enumerate(directories):
        local_rank, local_size = directories[:rank].count(directory), directories.count(directory)
        jobs.append(ForkedJob(directory, AsRank(rank, local_rank, len(directories), local_size, port)))
    return jobs


def run_ranks(directories: Sequence[JobDirectory], values: Mapping[str, object]) -> list[Result]:
    """Run a job as `start_ranks` starts it, to its end."""
    return end_each(start_ranks(directories, values))


def end_each(jobs: Sequence[ForkedJob]) -> list[Result]:
    """Wait for all jobs to end; the whole log of each is its standard output."""
    return [Result(code, log, "") for code, log in [job.end() for job in jobs]]


def kill_all() -> None:
    """Of a forked job, by itself: as where its host is lost."""
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _enter(base: Path, pipe: Path, plant: Plant) -> None:
    os.setsid()
    # DataLoader workers begin as they do in a program that was started.
    multiprocessing.set_start_method("fork", force=True)
    with pipe.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    # Those of the fork server may believe that they are a file.
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    os.environ |= {"SAGEMAKER_BASE_DIR": str(base), "OMP_NUM_THREADS": "1"}
    plant()
    sys.exit(program.main())
