"""What is looked at before anything is started, without torch: the model directory, the settings that hang on it,
and the port."""

import contextlib
import errno
import json
import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from container.errors import ServeError
from container.model_card import CARD, SEED_TENSORS, TENSORS
from container.serve.accept import choose
from container.serve.config import HIGHEST_INNER_PORT, INNER_PORTS, METRICS_HOST, METRICS_PORT, ServeConfig
from container.serve.logs import event
from container.serve.model_server import InnerPorts
from container.serve.replies import RequestError
from container.serve.settings import HOST, PORT

logger = logging.getLogger(__name__)

# What the address of a Unix socket holds (sun_path), less its end and the name that multi-model-server appends.
_LONGEST_RUN_DIR = 107 - len("/.mms.sock.900000")


def check_model_dir(config: ServeConfig) -> None:
    """Refuse what cannot become a model, before Java and torch are started for it.

    A directory with the user's own inference script is left to that script.

    Raises:
        ServeError: Says what is missing, and what should be there.
    """
    directory = config.model_dir
    if not directory.is_dir():
        raise ServeError(
            f"there is no model directory {directory}: unpack model.tar.gz there, or set SAGEMAKER_BASE_DIR to the "
            "directory that holds model/"
        )
    if config.user_program:
        return
    check_default_accept(config)
    if (directory / CARD).is_file():
        _check_json(directory / CARD)
        if not (directory / TENSORS).is_file():
            raise ServeError(f"there is {CARD} in {directory}, but no {TENSORS}: the model is incomplete")
    elif not (directory / SEED_TENSORS).is_file():
        names = sorted(path.name for path in directory.iterdir())
        found = ", ".join(names[:8]) if names else "nothing"
        raise ServeError(
            f"no model in {directory}: it must hold {CARD} and {TENSORS}, or {SEED_TENSORS}, or code/inference.py; "
            f"it holds {found}"
        )


def check_default_accept(config: ServeConfig) -> None:
    """Refuse a default type of answers that the built-in functions do not have.

    Raises:
        ServeError: Names the variable, and the types.
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
        ServeError: It is in use, or may not be had.
    """
    return _listen(
        config.host, config.port, f"{HOST.names[0]} (slipway serve --host)", f"{PORT.names[0]} (slipway serve --port)"
    )


@contextlib.contextmanager
def metrics_port(config: ServeConfig) -> Iterator[socket.socket | None]:
    """Hold the metrics' port open; None where there shall be none, or it cannot be had: that is no reason not to serve.

    The supervisor opens it, so that it outlives a front.
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


def choose_inner_ports(ports: range, avoid: int) -> InnerPorts:
    """Two free ports on the loopback address, beginning at one that differs from process to process.

    Raises:
        ServeError: There are not two.
    """
    start = os.getpid() % len(ports)
    free: list[int] = []
    for place in range(len(ports)):
        port = ports[(start + place) % len(ports)]
        if port != avoid and _is_free(port):
            free.append(port)
        if len(free) == 2:
            return InnerPorts(inference=free[0], management=free[1])
    raise ServeError(
        f"fewer than two ports of {ports[0]}-{ports[-1]} are free; set {INNER_PORTS.names[0]} to others "
        f"(up to {HIGHEST_INNER_PORT})"
    )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def make_run_dir() -> Path:
    """A directory for everything that is written while serving; only this user may look into it.

    Raises:
        ServeError: The directory for temporary files cannot be written, or its path is too long for a socket.
    """
    try:
        run_dir = Path(tempfile.mkdtemp(prefix="slipway-"))
    except OSError as error:
        # Of several directories Python takes the first one that can be written; this is after the last.
        raise ServeError(
            f"nothing can be written to {error.filename or 'any directory for temporary files'}: {error.strerror}; "
            "set TMPDIR to a writable directory"
        ) from error
    if len(os.fsencode(run_dir)) > _LONGEST_RUN_DIR:
        run_dir.rmdir()
        raise ServeError(f"the path {run_dir} is too long for a Unix socket; set TMPDIR to a shorter one")
    return run_dir
