"""Checks before anything is started, without torch: the model directory, settings that depend on it, and the port."""

import contextlib
import difflib
import errno
import json
import logging
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from container.contract.errors import ServeError
from container.contract.model_files import CARD, GRAPH, SEED_TENSORS, TENSORS
from container.serve.protocol.accept import choose
from container.serve.protocol.replies import RequestError
from container.serve.protocol.state import RUN_DIR_VARIABLE, SUPERVISOR_VARIABLE
from container.serve.settings.config import ServeConfig
from container.serve.settings.logs import event
from container.serve.settings.parsing import HOST, PORT
from container.serve.settings.unused_code import unused_code
from container.serve.settings.variables import METRICS_HOST, METRICS_PORT, MODEL_DIR, PROGRAM, VARIABLES
from container.torchscript import DEFAULT_NAME

logger = logging.getLogger(__name__)

_OURS = "SLIPWAY_"

# Variables of the server's own parts, of training, and of the command line tool.
_OTHERS = (
    RUN_DIR_VARIABLE, SUPERVISOR_VARIABLE, "SLIPWAY_WEIGHTS_DIR", "SLIPWAY_EXIT_CODE_FILE", "SLIPWAY_SMDEBUG_PYTHON",
    "SLIPWAY_CONFIG", "SLIPWAY_REGION", "SLIPWAY_PROFILE", "SLIPWAY_ROLE", "SLIPWAY_BUCKET",
)  # fmt: skip

# The command line tool has a variable for every option, as in SLIPWAY_TRAIN_EPOCHS.
_COMMANDS = tuple(
    f"{_OURS}{command}_"
    for command in (
        "CLEAN", "COMPARE", "DATA", "DEBUG", "DEPLOY", "EXPORT", "IMAGES", "JOBS", "LOGS", "PREDICT", "REPORT", "SERVE",
        "TRAIN", "TRANSFORM", "TUNE",
    )
)  # fmt: skip

# The size of a Unix socket's address (sun_path), less its terminator and the name that multi-model-server appends.
_LONGEST_RUN_DIR = 107 - len("/.mms.sock.900000")


def check_model_dir(config: ServeConfig) -> None:
    """Refuse a directory that holds no model, before Java and torch are started for it.

    A directory with a user's inference script is left to that script.

    Raises:
        ServeError: Says what is missing, and what should be there.
    """
    directory = config.model_dir
    if not directory.is_dir():
        raise ServeError(
            f"there is no model directory {directory}: unpack model.tar.gz there, or set SAGEMAKER_BASE_DIR to the "
            f"directory that holds model/, or {MODEL_DIR.names[0]} to another directory"
        )
    if config.user_program:
        return
    check_default_accept(config)
    if (directory / CARD).is_file():
        _check_json(directory / CARD)
        if not any((directory / name).is_file() for name in (TENSORS, GRAPH)):
            raise ServeError(f"there is {CARD} in {directory}, but no {TENSORS}: the model is incomplete")
    elif not (config.torchscript or (directory / SEED_TENSORS).is_file()):
        names = sorted(path.name for path in directory.iterdir())
        found = ", ".join(names[:8]) if names else "nothing"
        raise ServeError(
            f"no model in {directory}: it must hold {CARD} and {TENSORS}, or {SEED_TENSORS}, or code/inference.py, "
            f"or a TorchScript archive ({DEFAULT_NAME}); it holds {found}"
        )
    if scripts := [*sorted(directory.glob("*.py")), *sorted((directory / "code").rglob("*.py"))]:
        logger.warning(
            unused_code(scripts, f"the model's own code is code/inference.py, or what {PROGRAM.names[0]} names in code")
        )


def warn_of_unknown_settings(environment: Mapping[str, str] = os.environ) -> None:
    """Warn of every variable that looks like a setting of ours but is unknown, and so has no effect."""
    serving = [name for variable in VARIABLES for name in variable.names if name.startswith(_OURS)]
    for name in sorted(environment):
        if name.startswith(_OURS) and name not in (*serving, *_OTHERS) and not name.startswith(_COMMANDS):
            [nearest] = difflib.get_close_matches(name, serving, n=1, cutoff=0)
            logger.warning(event("unknown-setting", variable=name, nearest=nearest))


def check_default_accept(config: ServeConfig) -> None:
    """Refuse a default Accept type that the built-in functions do not offer.

    Raises:
        ServeError: Names the variable and the types.
    """
    try:
        choose(config.default_accept)
    except RequestError as error:
        raise ServeError(f"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT: {error.message}") from error


def _check_json(path: Path) -> None:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ServeError(f"{path} cannot be read as JSON: {error}") from error


def open_port(config: ServeConfig) -> socket.socket:
    """Bind and listen on the public port.

    Raises:
        ServeError: It is in use, or not permitted.
    """
    return _listen(
        config.host, config.port, f"{HOST.names[0]} (slipway serve --host)", f"{PORT.names[0]} (slipway serve --port)"
    )


@contextlib.contextmanager
def metrics_port(config: ServeConfig) -> Iterator[socket.socket | None]:
    """Hold the metrics port open, so that it outlives a front.

    Yields None where no port is set, or it cannot be opened, which is no reason not to serve.
    """
    if config.metrics_port is None:
        yield None
        return
    try:
        listener = _listen(config.metrics_host, config.metrics_port, METRICS_HOST.names[0], METRICS_PORT.names[0])
    except ServeError as error:
        logger.error(event("no-metrics", why=error))
        yield None
        return
    with listener:
        logger.info(event("metrics-port", address=config.metrics_host, port=config.metrics_port))
        yield listener


def _listen(host: str, port: int, host_setting: str, port_setting: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            remedy = f"set {host_setting} to an address of this machine"
        else:
            remedy = f"stop what uses it, or set {port_setting} to another"
        raise ServeError(f"port {port} on {host} cannot be had: {error.strerror}; {remedy}") from error
    return listener


def make_run_dir() -> Path:
    """Make a directory for everything that is written while serving, readable only by this user.

    Raises:
        ServeError: There is no writable directory for temporary files, or its path is too long for a socket.
    """
    try:
        run_dir = Path(tempfile.mkdtemp(prefix="slipway-"))
    except OSError as error:
        # Python tries several directories; this is after the last.
        raise ServeError(
            f"cannot write to {error.filename or 'any directory for temporary files'}: {error.strerror}; "
            "set TMPDIR to a writable directory"
        ) from error
    if len(os.fsencode(run_dir)) > _LONGEST_RUN_DIR:
        run_dir.rmdir()
        raise ServeError(f"the path {run_dir} is too long for a Unix socket; set TMPDIR to a shorter one")
    return run_dir
