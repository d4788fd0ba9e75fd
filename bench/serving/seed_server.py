"""Starts sagemaker-inference's model server with its default handler service, as the seed project's image does.

Two things differ, so that it can run beside other servers: its configuration goes to the temporary directory in place
of /etc, and it looks for its Java process among its own, not among all of the machine's.
"""

import os
import tempfile
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from sagemaker_inference import model_server


def _own_java() -> psutil.Process:
    """Find our Java by process group, as multi-model-server's start script has exited by then."""
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == os.getpgrp() and model_server.MMS_NAMESPACE in process.cmdline():
                return process
        except (psutil.Error, ProcessLookupError):
            continue
    raise RuntimeError("multi-model-server has not started yet")


def main() -> None:
    """Serve until SIGTERM."""
    model_server.MMS_CONFIG_FILE = str(Path(tempfile.gettempdir()) / "sagemaker-mms.properties")
    model_server._retrieve_mms_server_process = _own_java
    model_server.start_model_server()


if __name__ == "__main__":
    main()
