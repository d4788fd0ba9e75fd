"""Other programs beside what is measured, such as one that keeps a CPU busy."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from container.processes import die_with_parent

BUSY = (sys.executable, "-c", "while True: pass")
"""The command of a program that keeps one CPU busy."""


@contextmanager
def running(command: Sequence[str] = BUSY) -> Iterator[None]:
    """Run a program while the body runs, and kill it then."""
    process = subprocess.Popen(command, preexec_fn=die_with_parent)
    try:
        yield
    finally:
        process.kill()
        process.wait()
