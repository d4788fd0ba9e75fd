"""What multi-model-server starts for a model: it has the preloaded process forked, and lives as long as the fork does.

multi-model-server reads what the fork writes, and ends the fork by ending this.
"""

import json
import os
import socket
import sys
import threading
from pathlib import Path

from container.processes import when_ended
from container.serve.multi_model.preloaded import ADDRESS
from container.serve.state import RUN_DIR_VARIABLE, SUPERVISOR_VARIABLE


def main() -> None:
    """Run until the fork has ended, or the supervisor."""
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
