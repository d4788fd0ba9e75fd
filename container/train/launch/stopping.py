"""Graceful shutdown: SIGTERM sets a flag that the loops check between steps."""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

# Seconds. A step on a slow device may take minutes; SageMaker waits two before SIGKILL, others less.
GRACE_S = 20

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(Exception):  # noqa: N818 - not an error: the job was asked to end
    """The job was asked to end and has reached a point where it can."""


class Stop:
    """Remembers that SIGTERM or SIGINT came. A second one exits at once."""

    def __init__(self) -> None:
        self.requested = False
        self.force_exit: Callable[[], None] | None = None
        """Called in another thread if the process has not exited by itself after GRACE_S: forces the exit."""

    def install(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, self._handle)
        # A Python handler runs only after the current operation, possibly a whole backward pass; this does not wait.
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        # A DataLoader worker has its own way to exit.
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
        threading.Thread(target=self._watch, args=(reader,), name="stop", daemon=True).start()

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self.requested:
            raise SystemExit(128 + number)
        self.requested = True

    def _watch(self, reader: int) -> None:
        while os.read(reader, 1)[0] not in _SIGNALS:
            pass
        time.sleep(GRACE_S)
        if self.force_exit:
            self.force_exit()

    def check(self) -> None:
        """Raise Interrupted if the job was asked to end."""
        if self.requested:
            raise Interrupted
