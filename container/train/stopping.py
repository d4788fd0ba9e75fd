"""A job that is asked to end: SIGTERM becomes a flag that the loops look at between steps."""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

# A step on a slow device may take minutes; SageMaker waits two before it kills, and others less.
LATEST_S = 20

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(Exception):  # noqa: N818 - not an error: the job was asked to end
    """The job was asked to end and has come to a place where it can."""


class Stop:
    """Remembers that SIGTERM or SIGINT came. A second one ends the process at once."""

    def __init__(self) -> None:
        self.requested = False
        self.leave: Callable[[], None] | None = None
        """Ends the process from another thread, where it has not come to an end by itself after LATEST_S."""

    def install(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, self._handle)
        # A handler waits for the operation that runs, which may be a whole backward pass; this does not.
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        # A process that reads pictures has its own end.
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
        threading.Thread(target=self._watch, args=(reader,), name="stop", daemon=True).start()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise SystemExit(128 + number)
        self.requested = True

    def _watch(self, reader: int) -> None:
        while os.read(reader, 1)[0] not in _SIGNALS:
            pass
        time.sleep(LATEST_S)
        if self.leave:
            self.leave()

    def check(self) -> None:
        """Raise Interrupted if the job was asked to end."""
        if self.requested:
            raise Interrupted
