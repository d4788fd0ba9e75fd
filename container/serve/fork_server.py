"""The process that multi-model-server forks its workers from: that package's own script, and a watch on the supervisor.

Nothing heavy may be imported here: every worker would inherit it, and with it torch's threads.
"""

import importlib.util
import os
import runpy
from pathlib import Path

from container.errors import ServeError
from container.processes import kill_group, when_ended
from container.serve.state import SUPERVISOR_VARIABLE

SCRIPT = Path("mms", "model_service_worker.py")
"""What multi-model-server runs, relative to its home."""


def installed_package() -> Path:
    """Where multi-model-server is installed; nothing of it is imported.

    Raises:
        ServeError: It is not.
    """
    spec = importlib.util.find_spec("mms")
    if spec is None or spec.origin is None:
        raise ServeError("multi-model-server is not installed: install the Python package multi-model-server")
    return Path(spec.origin).parent


def write_home(home: Path, module: str = __name__) -> None:
    """Make a home for multi-model-server whose own script calls `main` of a module.

    Raises:
        ServeError: multi-model-server is not installed.
    """
    script = home / SCRIPT
    # Without an __init__.py: `import mms` passes by the folder and finds the installed package.
    script.parent.mkdir(parents=True, exist_ok=True)
    # Java runs a script of these once, though nobody reads its metrics.
    metrics = script.with_name("metrics")
    if not metrics.is_symlink():
        metrics.symlink_to(installed_package() / "metrics")
    script.write_text(f"from {module} import main\n\nmain()\n")


def main() -> None:
    """Run the package's script, which waits in accept() and would not notice that Java or the supervisor has gone."""
    when_ended(int(os.environ[SUPERVISOR_VARIABLE]), lambda: kill_group(os.getpgrp()))
    run_script()


def run_script() -> None:
    """Run the package's script with this process's arguments."""
    runpy.run_path(str(installed_package() / SCRIPT.name), run_name="__main__")
