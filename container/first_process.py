"""What the first process of a container (PID 1) has to do for itself; imports nothing heavy."""

import signal
from types import FrameType


def end_when_asked() -> None:
    """End at SIGTERM and SIGINT with 128 and the signal's number, until other handlers are set.

    Every other process ends so by itself; for the first one the kernel drops a signal that it has no handler for
    (see pid_namespaces(7)), and `docker stop` would wait out its grace time.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
