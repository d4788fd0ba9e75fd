"""A job that is asked to end: SIGTERM becomes a flag that the loops look at between steps."""

import signal
from types import FrameType


class Interrupted(Exception):  # noqa: N818 - not an error: the job was asked to end
    """The job was asked to end and has come to a place where it can."""


class Stop:
    """Remembers that SIGTERM or SIGINT came. A second one ends the process at once."""

    def __init__(self) -> None:
        self.requested = False

    def install(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise SystemExit(128 + number)
        self.requested = True

    def check(self) -> None:
        """Raise Interrupted if the job was asked to end."""
        if self.requested:
            raise Interrupted
