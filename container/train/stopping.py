"""A job that is asked to end: SIGTERM becomes a flag that the loops look at between steps."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

# A step on a slow device may take minutes; SageMaker waits two before it kills, and others less.
LATEST_S = 20


class Interrupted(Exception):  # noqa: N818 - not an error: the job was asked to end
    """The job was asked to end and has come to a place where it can."""


class Stop:
    """Remembers that SIGTERM or SIGINT came. A second one ends the process at once."""

    def __init__(self) -> None:
        self.requested = False
        self.leave: Callable[[], None] | None = None
        """Ends the process from another thread, where it has not come to an end by itself after LATEST_S."""

    def install(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise SystemExit(128 + number)
        self.requested = True
        timer = threading.Timer(LATEST_S, self._is_overdue)
        timer.daemon = True
        timer.start()

    def _is_overdue(self) -> None:
        if self.leave:
            self.leave()

    def check(self) -> None:
        """Raise Interrupted if the job was asked to end."""
        if self.requested:
            raise Interrupted
