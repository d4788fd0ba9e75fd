"""Polls a server from outside: what `/ping` returns, and how much memory its parts use."""

import http.client
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from bench.serving.ours import processes_of
from bench.serving.server import Server

_PING_EVERY_S = 0.1
_MEMORY_EVERY_S = 1.0
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Monitor:
    """Polls in two threads while the context is entered."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(every, poll), daemon=True)
            for every, poll in ((_PING_EVERY_S, self._ping), (_MEMORY_EVERY_S, self._weigh))
        ]
        self.pings: list[tuple[float, bool]] = []
        """Time of the answer, by `time.monotonic()`, and whether it was 200."""
        self.memory: list[tuple[float, dict[str, int]]] = []
        """Time, and bytes of resident memory by part."""

    def is_ready(self) -> bool:
        """Whether `/ping` returns 200 now."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server.launch.port, timeout=10)
        try:
            connection.request("GET", "/ping")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, every_s: float, poll: Callable[[], None]) -> None:
        while not self._over.is_set():
            poll()
            self._over.wait(every_s)

    def _ping(self) -> None:
        ready = self.is_ready()
        self.pings.append((time.monotonic(), ready))

    def _weigh(self) -> None:
        parts = {part: sum(map(resident, pids)) for part, pids in processes_of(self._server).items()}
        self.memory.append((time.monotonic(), parts))


def resident(pid: int) -> int:
    """Read a process's resident memory in bytes; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123 - once a second for every process
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
