"""Signal handling for a container's first process (PID 1); imports nothing heavy."""

import signal
from types import FrameType


def exit_on_signals() -> None:
    """Exit on SIGTERM and SIGINT with 128 plus the signal's number, until other handlers are set.

    For PID 1 the kernel ignores signals without a handler (see pid_namespaces(7)), and `docker stop` would wait out its
    grace period.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
