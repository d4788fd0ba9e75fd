"""A process as the first one of its container, without a container: in a PID namespace of its own."""

import os
import shutil
import subprocess
import time

import psutil
import pytest


def as_first_process(*command: str) -> list[str]:
    """The command that does it. Where it cannot, the test is skipped, but never in continuous integration."""
    prefix = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    possible = shutil.which("unshare") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    if not possible and not os.environ.get("CI"):
        pytest.skip("a PID namespace needs root and unshare, which is in Debian's util-linux")
    return [*prefix, *command]


def first_process(unshare: subprocess.Popen[str]) -> psutil.Process:
    """The first process itself, which unshare does not pass signals on to."""
    give_up_at = time.monotonic() + 60
    while not (found := psutil.Process(unshare.pid).children()):
        assert unshare.poll() is None, "the first process has ended"
        assert time.monotonic() < give_up_at, "waited in vain for the first process"
    return found[0]
