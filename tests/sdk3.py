"""The environment of version 3 of the SDK, which cannot be installed beside version 2."""

import fcntl
import subprocess
from importlib.metadata import version
from pathlib import Path

from tests.serve.server_process import REPOSITORY


def python_with_version_3() -> Path:
    """Make the environment, unless it is up to date; return its interpreter.

    Test processes that want it at once make it once.
    """
    waiting = REPOSITORY / ".build" / "sdk3.waiting"
    waiting.parent.mkdir(exist_ok=True)
    with waiting.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        subprocess.run([REPOSITORY / "docker" / "venv.sh", "sdk3"], check=True)
    return REPOSITORY / ".venv-sdk3" / "bin" / "python"


def search_path(directory: Path) -> str:
    """Return the PYTHONPATH with which Slipway is found there, as if it were installed.

    Args:
        directory: An empty folder for what says so.
    """
    metadata = directory / "slipway.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: slipway\nVersion: {version('slipway')}\n")
    return f"{REPOSITORY}:{directory}"
