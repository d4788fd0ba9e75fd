"""The process that multi-model-server forks its workers from: its own script, ended when the supervisor ends.

Nothing heavy may be imported here: every worker would inherit it, and torch's threads with it.
"""

import importlib.util
import os
import runpy
from pathlib import Path

from container.contract.errors import ServeError
from container.processes import kill_group, when_ended
from container.serve.protocol.state import SUPERVISOR_VARIABLE

SCRIPT = Path("mms", "model_service_worker.py")
"""The script that multi-model-server runs, relative to its home."""


def installed_package() -> Path:
    """Where multi-model-server is installed; it is not imported.

    Raises:
        ServeError: It is not installed.
    """
    spec = importlib.util.find_spec("mms")
    if spec is None or spec.origin is None:
        raise ServeError("multi-model-server is not installed: install the Python package multi-model-server")
    return Path(spec.origin).parent


def write_home(home: Path, module: str = __name__) -> None:
    """Make a home for multi-model-server whose worker script calls a module's `main`.

    Raises:
        ServeError: multi-model-server is not installed.
    """
    script = home / SCRIPT
    # There is no __init__.py, so `import mms` still finds the installed package.
    script.parent.mkdir(parents=True, exist_ok=True)
    # Java runs one of these scripts once, though nobody reads its metrics.
    metrics = script.with_name("metrics")
    if not metrics.is_symlink():
        metrics.symlink_to(installed_package() / "metrics")
    script.write_text(f"from {module} import main\n\nmain()\n")


def main() -> None:
    """Run the package's script; it waits in accept(), and alone would outlive Java and the supervisor."""
    when_ended(int(os.environ[SUPERVISOR_VARIABLE]), lambda: kill_group(os.getpgrp()))
    run_script()


def run_script() -> None:
    """Run the package's script with this process's arguments."""
    runpy.run_path(str(installed_package() / SCRIPT.name), run_name="__main__")
