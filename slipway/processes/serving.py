"""Runs the serving image's supervisor on a local model."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slipway.errors import JobError
from slipway.files.archive import require_model, unpack_model
from slipway.processes.job import JobDirectory
from slipway.processes.process import child_process

SUPERVISOR = "container.serve.supervisor"


@contextmanager
def model_directory(model: Path) -> Iterator[Path]:
    """Make a temporary base directory whose `model/` is the given model.

    Args:
        model: A model.tar.gz, a model directory, or a job directory.

    Raises:
        ArchiveError: The archive is damaged or holds something else.
        JobError: There is no such path, or no model in the directory.
    """
    if not model.exists():
        raise JobError(f"there is no {model}; name a model.tar.gz, a model directory, or a job directory")
    with tempfile.TemporaryDirectory(prefix="slipway-serve-", ignore_cleanup_errors=True) as scratch:
        base = Path(scratch)
        if model.is_file():
            (base / "model").mkdir()
            unpack_model(model, base / "model")
        else:
            (base / "model").symlink_to(model_files_directory(model).resolve(), target_is_directory=True)
        yield base


def model_files_directory(directory: Path) -> Path:
    """Find the model's files: in a job directory its `model/`, else the directory itself.

    Raises:
        JobError: There is no model.
    """
    job = JobDirectory(directory)
    if job.hyperparameters_file.is_file():
        require_model(job.layout.model, f"the job in {directory} has no model yet", JobError)
        return job.layout.model
    require_model(directory, f"{directory} is neither a model directory nor a job's", JobError)
    return directory


def run_server(base: Path, model: Path, *, host: str, port: int) -> int:
    """Serve until the server exits by itself or on a signal; return its exit code.

    Args:
        base: From `model_directory`.
        model: Path of the model, for messages.
        host: Address to listen on.
        port: Port to listen on; 0 for any free one.
    """
    environment = {
        **os.environ,
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SLIPWAY_HOST": host,
    }
    own = model if model.is_file() else model_files_directory(model)
    with child_process([sys.executable, "-m", SUPERVISOR], environment, stderr=subprocess.PIPE) as child:
        for line in child.stderr:
            sys.stderr.write(line.replace(str(base / "model"), str(own)))
            sys.stderr.flush()
        return child.wait()
