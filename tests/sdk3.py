"""The environment of version 3 of the SDK, which cannot be installed beside version 2."""

import fcntl
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tests.serve.server_process import REPOSITORY

LOCK = REPOSITORY / "tests" / "images" / "sdk3.lock"


def python_with_version_3() -> Path:
    """Make the environment, or find it made of the same lock; return its interpreter.

    Test processes that want it at once make it once.
    """
    environment = REPOSITORY / ".venv-sdk3"
    made_of = environment / "slipway.lock"
    python = environment / "bin" / "python"
    waiting = REPOSITORY / ".build" / "sdk3.waiting"
    waiting.parent.mkdir(exist_ok=True)
    with waiting.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not made_of.is_file() or made_of.read_bytes() != LOCK.read_bytes():
            shutil.rmtree(environment, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)
            pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
            subprocess.run(
                [*pip, "--no-deps", "--no-compile", "--require-hashes", "--only-binary=:all:", f"--requirement={LOCK}"],
                check=True,
            )
            shutil.copyfile(LOCK, made_of)
    return python


def search_path(directory: Path) -> str:
    """Return the PYTHONPATH with which Slipway is found there, as if it were installed.

    Args:
        directory: An empty folder for what says so.
    """
    metadata = directory / "slipway.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: slipway\nVersion: {version('slipway')}\n")
    return f"{REPOSITORY}:{directory}"
