"""A clock of one process that other programs on the machine do not make run on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil


class JobClock:
    """CPU time of this process and what it sleeps, which is over at once."""

    def __init__(self) -> None:
        self._began = psutil.Process().create_time()
        self._slept = 0.0
        self._stopped_at: float | None = None

    def install(self) -> None:
        """All of this process goes by it from now on."""
        time.perf_counter = self.now
        time.time = lambda: self._began + self.now()
        time.sleep = self.sleep

    def now(self) -> float:
        """Seconds since the process began."""
        return time.process_time() + self._slept if self._stopped_at is None else self._stopped_at

    def sleep(self, seconds: float) -> None:
        self._slept += seconds

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """What happens within it takes no time."""
        before = self._stopped_at = self.now()
        try:
            yield
        finally:
            self._stopped_at = None
            self._slept -= self.now() - before
