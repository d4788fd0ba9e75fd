"""The choice of multi-model-server's loopback ports."""

import os
import socket

from container.contract.errors import ServeError
from container.serve.mms.model_server import InnerPorts
from container.serve.settings.config import HIGHEST_INNER_PORT
from container.serve.settings.variables import INNER_PORTS


def choose_inner_ports(ports: range, avoid: int) -> InnerPorts:
    """Choose two free ports on the loopback address, from a start that differs from process to process.

    Raises:
        ServeError: Fewer than two are free.
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
