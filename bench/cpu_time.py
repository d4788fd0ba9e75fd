"""Measures CPU time."""

import time
from collections.abc import Callable


def cpu_seconds_of(run: Callable[[], object]) -> float:
    """Measure user and system time of this process, all threads together, while `run` runs, in seconds."""
    before = time.process_time()
    run()
    return time.process_time() - before
