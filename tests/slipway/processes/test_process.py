"""A child in the foreground gets our signals, and is waited for."""

import os
import signal
import subprocess
import sys

import pytest

from slipway.processes.process import child_process

_UNTIL_TERMINATED = """
import signal, sys
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))
print("ready", flush=True)
signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_reach_the_child_as_sigterm(number):
    before = signal.getsignal(number)
    with child_process([sys.executable, "-c", _UNTIL_TERMINATED], os.environ, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == "ready\n"
        os.kill(os.getpid(), number)
        assert child.wait() == 7
    assert child.received == [number]
    assert signal.getsignal(number) is before


def test_a_signal_that_ends_the_child_is_its_exit_code():
    with child_process([sys.executable, "-c", "import os; os.abort()"], os.environ, stderr=subprocess.DEVNULL) as child:
        assert child.wait() == 128 + signal.SIGABRT


def test_the_child_is_told_to_stop_when_this_process_is_killed():
    script = f"""
import os, sys
from slipway.processes.process import child_process
with child_process([sys.executable, "-c", {_UNTIL_TERMINATED!r}], os.environ) as child:
    child.wait()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.kill()
        # The child holds the other end of the pipe until it ends.
        assert process.stdout.read() == ""


def test_an_error_here_ends_the_child():
    with (  # noqa: PT012 - the error has to come out of the body
        pytest.raises(ZeroDivisionError),
        child_process([sys.executable, "-c", _UNTIL_TERMINATED], os.environ, stdout=subprocess.PIPE) as child,
    ):
        child.stdout.readline()
        raise ZeroDivisionError
    assert child.process.returncode == 7
