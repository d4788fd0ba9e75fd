"""The process that has imported torch and everything else, once; it is forked for every model.

So a model costs what is its own: its tensors and what it works with, and a moment instead of the seconds that the
imports take. docs/serving.md has the figures.
"""

import gc
import json
import os
import signal
import socket
import sys
from pathlib import Path

from container.processes import kill_group, when_ended
from container.serve.fork_server import run_script
from container.serve.state import RUN_DIR_VARIABLE

ADDRESS = "fork.sock"
"""Name of the Unix socket in the run directory. It is there when models can be loaded."""

MAX_REQUEST_BYTES = 65536


def command() -> list[str]:
    """The command that starts it."""
    return [sys.executable, "-m", "container.serve.multi_model.preloaded"]


def main() -> None:
    """Fork for whoever connects (see stand_in.py), until the supervisor ends."""
    # Only here: `command` is for a process that does without torch. Nothing of these starts a thread, and nothing
    # may: threads do not survive a fork.
    import container.serve.engine.cpu
    import container.serve.override
    import container.serve.service  # noqa: F401

    # What is there now is never collected, so its pages stay shared.
    gc.collect()
    gc.freeze()
    # The kernel reaps.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    address = Path(os.environ[RUN_DIR_VARIABLE], ADDRESS)
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(128)
        while True:
            connection = listener.accept()[0]
            message, descriptors, _, _ = socket.recv_fds(connection, MAX_REQUEST_BYTES, 3)
            if message and os.fork() == 0:
                listener.close()
                _become(connection, json.loads(message), descriptors)
            connection.close()
            for descriptor in descriptors:
                os.close(descriptor)


def _become(connection: socket.socket, request: dict[str, object], descriptors: list[int]) -> None:
    """Go on as the process that multi-model-server believes to have started; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # With its workers in a group of its own: a model's processes end together.
        os.setpgid(0, 0)
        for target, descriptor in enumerate(descriptors):
            os.dup2(descriptor, target)
            os.close(descriptor)
        sys.argv = [str(argument) for argument in request["arguments"]]  # type: ignore[attr-defined]
        os.chdir(str(request["directory"]))
        when_ended(int(str(request["pid"])), lambda: kill_group(os.getpid()))
        connection.sendall(str(os.getpid()).encode())
        connection.close()
        run_script()
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
