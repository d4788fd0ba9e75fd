"""Writing behind training: what is to be written is copied first, and training goes on while it is."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch


class Behind:
    """One write at a time; each waits for the one before it.

    What a write raises comes out of the next call.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self._running: Future[None] | None = None
        self._lock = threading.Lock()

    def write(self, action: Callable[[], None]) -> None:
        """Have this done; it holds copies of its own of what training goes on to change."""
        self.wait()
        self._running = self._pool.submit(self._do, action)

    def wait(self) -> None:
        """Until nothing is left to do."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def close(self) -> None:
        """Finish what runs; what went wrong in it has no one to be told any more."""
        self._pool.shutdown()

    def finishes_within(self, seconds: float) -> bool:
        """Whether what runs ended in this time; nothing begins afterwards. For who ends the process."""
        return self._lock.acquire(timeout=seconds)

    def _do(self, action: Callable[[], None]) -> None:
        with self._lock:
            action()


def copied(value: Any) -> Any:
    """The value with copies of its tensors in main memory, and of the dictionaries and lists that hold them."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {name: copied(part) for name, part in value.items()}
    if isinstance(value, list):
        return [copied(part) for part in value]
    return value
