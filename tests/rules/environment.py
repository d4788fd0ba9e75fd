"""The Python that has the real smdebug."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-smdebug" / "bin" / "python"


def need_smdebug() -> None:
    """Skip where its environment was not made, but never in continuous integration."""
    if not PYTHON.exists() and not os.environ.get("CI"):
        pytest.skip("no smdebug; docker/venv.sh smdebug makes its environment")


def run_python(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it from the root of the checkout, without what smdebug logs and waits for."""
    need_smdebug()
    quiet = {
        "SMDEBUG_LOG_LEVEL": "off",
        "SMDEBUG_TRAINING_END_DELAY_REFRESH": "0",
        "SMDEBUG_MISSING_EVENT_FILE_RETRY_LIMIT": "0",
    }
    return subprocess.run(
        [str(PYTHON), *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "", **quiet, **environment},
        capture_output=True,
        text=True,
    )
