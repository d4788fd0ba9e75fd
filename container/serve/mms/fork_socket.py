"""The command and the socket of the process that many models' workers are forked from."""

import sys

ADDRESS = "fork.sock"
"""Name of the Unix socket in the run directory, which exists once models can be loaded."""

MAX_REQUEST_BYTES = 65536


def command() -> list[str]:
    """The command that starts the process."""
    return [sys.executable, "-m", "container.serve.worker.preloaded"]
