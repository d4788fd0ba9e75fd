"""The output of the server's processes, which becomes one JSON object per line whatever they write.

In text format, a process's standard output is the server's own. In JSON format it is a pipe: our own records pass
unchanged; all other lines (a user's `print`, output of Java or of a crashing interpreter) are wrapped in records.
"""

import json
import os
import re
import select
import sys
import threading
import time
from functools import cache

from container.serve.settings.logs import LogFormat, json_line

# The first line of a stack trace, which extends to a pause or to a record of ours.
_TRACE = re.compile(rb"Traceback \(most recent call last\)|Fatal Python error|Timeout \(\d|(Current thread|Thread) 0x")

_PAUSE_S = 0.2
_MOST_BYTES = 256 * 1024
_END_S = 2.0

_pipes: "list[_Pipe]" = []


@cache
def descriptor(form: LogFormat, part: str) -> int:
    """Return the file descriptor for the standard output or error of a process of the server.

    Args:
        form: The log's format.
        part: The process, as records name it.
    """
    if form == "text":
        return sys.stdout.fileno()
    _pipes.append(_Pipe(part))
    return _pipes[-1].writing


def finish() -> None:
    """Write what is left, once the processes have exited."""
    for pipe in _pipes:
        pipe.close()
    _pipes.clear()
    descriptor.cache_clear()


def flush_quietly() -> None:
    """Flush standard output at the end of a process; if that fails, discard it, so that Python exits quietly."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Pipe:
    def __init__(self, part: str) -> None:
        self._reading, self.writing = os.pipe()
        self._lines = Lines(part)
        # A thread, so that a process never waits for a busy supervisor.
        self._thread = threading.Thread(target=self._copy, name=f"output of {part}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        os.close(self.writing)
        self._thread.join(_END_S)

    def _copy(self) -> None:
        while True:
            readable, _, _ = select.select([self._reading], [], [], _PAUSE_S if self._lines.holding else None)
            data = os.read(self._reading, 65536) if readable else b""
            lines = self._lines.take(data) if data else self._lines.flush()
            if lines:
                _write("".join(f"{line}\n" for line in lines).encode())
            if readable and not data:
                os.close(self._reading)
                return


class Lines:
    """Makes records of a process's output, in whatever pieces it arrives."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._rest = b""
        self._trace: list[bytes] = []

    @property
    def holding(self) -> bool:
        """Whether an unfinished stack trace is held; call `flush` after a pause."""
        return bool(self._trace)

    def take(self, data: bytes) -> list[str]:
        """Add bytes; return the records that they complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MOST_BYTES:
            lines.append(self._rest)
            self._rest = b""
        return [record for line in lines for record in self._line(line.rstrip(b"\r"))]

    def flush(self) -> list[str]:
        """Return records of everything that is held."""
        rest, self._rest = self._rest, b""
        lines = [*self._line(rest)] if rest else []
        return [*lines, *self._end_trace()]

    def _line(self, line: bytes) -> list[str]:
        if _is_record(line):
            return [*self._end_trace(), line.decode()]
        if self._trace or _TRACE.match(line):
            self._trace.append(line)
            return self._end_trace() if sum(map(len, self._trace)) > _MOST_BYTES else []
        text = _text(line)
        return [self._record("INFO", message=text)] if text.strip() else []

    def _end_trace(self) -> list[str]:
        trace, self._trace = self._trace, []
        if not trace:
            return []
        text = _text(b"\n".join(trace)).rstrip()
        return [self._record("ERROR", message=text.splitlines()[0], trace=text)]

    def _record(self, level: str, **fields: str) -> str:
        return json_line(level, time.time(), {"event": "output", "part": self._part, **fields})


def _is_record(line: bytes) -> bool:
    if not (line.startswith(b'{"time": "') and line.endswith(b"}") and line.isascii()):
        return False
    try:
        fields = json.loads(line)
    except ValueError:
        return False
    return isinstance(fields, dict) and {"time", "level", "event"} <= fields.keys()


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _write(data: bytes) -> None:
    try:
        sys.stdout.flush()
        while data:
            data = data[os.write(sys.stdout.fileno(), data) :]
    except OSError:
        # The log's reader has gone, or its disk is full; that must not block the processes.
        return
