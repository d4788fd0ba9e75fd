"""A program that keeps one CPU busy, beside what is measured."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from container.processes import die_with_parent


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """Keep one CPU busy while the body runs."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"], preexec_fn=die_with_parent)
    try:
        yield
    finally:
        process.kill()
        process.wait()
