"""The process that multi-model-server starts for one of many models: a stand-in for a fork of the preloaded process.

It lives as long as the fork; multi-model-server reads what the fork writes, and ends the fork by ending this.
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path

from container.processes import when_ended
from container.serve.mms.fork_socket import ADDRESS
from container.serve.protocol.state import RUN_DIR_VARIABLE, SUPERVISOR_VARIABLE


def main() -> None:
    """Ask for a fork, and run until the fork or the supervisor has ended."""
    ended = threading.Event()
    when_ended(int(os.environ[SUPERVISOR_VARIABLE]), ended.set)
    request = {"pid": os.getpid(), "arguments": sys.argv, "directory": str(Path.cwd())}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(Path(os.environ[RUN_DIR_VARIABLE], ADDRESS)))
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        answer = connection.recv(32)
    if answer:
        when_ended(int(answer), ended.set)
        ended.wait()
    sys.exit(1)
