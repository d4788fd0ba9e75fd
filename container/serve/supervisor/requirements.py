"""Installing a model's code/requirements.txt, if that is enabled."""

import logging
import site
import subprocess
import sysconfig
import time
import venv
from pathlib import Path

from container.contract.errors import ServeError
from container.processes import die_with_parent
from container.serve.settings.config import ServeConfig
from container.serve.settings.logs import event
from container.serve.settings.variables import INSTALL_REQUIREMENTS

logger = logging.getLogger(__name__)


def install(config: ServeConfig, directory: Path) -> Path | None:
    """Install a model's code/requirements.txt with pip.

    It goes into a virtual environment that sees the server's packages: requirements that those satisfy are not
    installed again, and the server's packages are not changed.

    Args:
        config: The server's settings.
        directory: Where to make the environment; it must not exist.

    Returns:
        The folder for PYTHONPATH; None if there is nothing to install, or that is not enabled.

    Raises:
        ServeError: pip failed; the message has its last error.
    """
    file = config.requirements
    if not (config.install_requirements and file):
        return None
    start = time.monotonic()
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(directory)}))
    try:
        venv.create(directory)
        (packages / "server.pth").write_text("".join(f"{folder}\n" for folder in site.getsitepackages()))
        result = subprocess.run(
            [directory / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--no-input", "--no-cache-dir",
             "--quiet", "install", "--requirement", file],
            cwd=file.parent,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            preexec_fn=die_with_parent,
        )  # fmt: skip
    except OSError as error:
        raise ServeError(f"{file} cannot be installed: {error}") from error
    lines = [line.strip() for line in result.stdout.splitlines() if line.strip()]
    if result.returncode:
        for line in lines:
            logger.error(event("pip", line=line))
        errors = [line for line in lines if line.startswith("ERROR:")] or lines or [f"exit code {result.returncode}"]
        raise ServeError(
            f"pip could not install {file}: {errors[-1].removeprefix('ERROR: ')}; see the log, and whether the network "
            f"reaches a package index, or unset {INSTALL_REQUIREMENTS.names[0]} and build the packages into the image"
        )
    logger.info(event("requirements-installed", file=file, seconds=round(time.monotonic() - start, 2)))
    return packages
