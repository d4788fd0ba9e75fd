"""Forward a process's output as it comes, and keep its end."""

import os
import re
import select
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import IO

_CHUNK_BYTES = 65_536
_KEPT_BYTES = 131_072

# A progress bar rewrites its line; a terminal would show only the last state.
_LINE_ENDS = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log, without its line ending."""

    text: str
    at: float
    """When its end was read, monotonic seconds."""


class LogTail:
    """Copies one stream to another byte for byte, in a thread of its own, and remembers the last 128 KiB.

    Args:
        source: The stream to read from, which nothing else reads; closed at its end.
        target: The file descriptor to write to.
    """

    def __init__(self, source: IO[bytes], target: int) -> None:
        self._source, self._target = source, target
        self._kept: deque[tuple[float, bytes]] = deque()
        self._kept_bytes = 0
        self._thread = threading.Thread(target=self._copy, name="log-tail", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> None:
        """Wait until everything is forwarded; every process that could write to the source must have exited."""
        self._thread.join(timeout_s)

    def lines(self) -> list[Line]:
        """Return the remembered lines; the beginning of the first one may be missing."""
        lines: list[Line] = []
        rest, at = b"", 0.0
        for at, chunk in list(self._kept):
            whole, newline, begun = chunk.rpartition(b"\n")
            if newline:
                text = (rest + whole).decode(errors="replace").removesuffix("\r")
                lines += (Line(part, at) for part in _LINE_ENDS.split(text))
                rest = b""
            rest += begun
        if rest:
            lines += (Line(part, at) for part in _LINE_ENDS.split(rest.decode(errors="replace")))
        return lines

    def _copy(self) -> None:
        try:
            while chunk := os.read(self._source.fileno(), _CHUNK_BYTES):
                self._keep(chunk)
                self._write(chunk)
        except OSError:  # nothing reads the target any longer: let the script find out, as it would without us
            return
        finally:
            self._source.close()

    def _keep(self, chunk: bytes) -> None:
        self._kept.append((time.monotonic(), chunk))
        self._kept_bytes += len(chunk)
        while self._kept_bytes - len(self._kept[0][1]) >= _KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft()[1])

    def _write(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest:
            try:
                rest = rest[os.write(self._target, rest) :]
            except BlockingIOError:  # the descriptor is shared with our parent, which made it non-blocking
                poll = select.poll()
                poll.register(self._target, select.POLLOUT)
                poll.poll()
