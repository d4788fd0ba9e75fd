"""Writes in the background: what is to be written is copied first, and training goes on meanwhile."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self

import torch


class BackgroundWriter:
    """Writes one thing at a time, each after the one before it. An error is raised by the next call.

    As a context manager it waits, on leaving, until everything is written.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="background-writer")
        self._running: Future[None] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()

    def write(self, action: Callable[[], None]) -> None:
        """Start a write; the action holds its own copies of whatever training goes on to change."""
        self.wait()
        self._running = self._pool.submit(self._run, action)

    def wait(self) -> None:
        """Wait until everything is written."""
        running, self._running = self._running, None
        if running is not None:
            running.result()

    def close(self) -> None:
        """Wait for the running write; drop its error, if any."""
        self._pool.shutdown()

    def finishes_within(self, seconds: float) -> bool:
        """Whether the running write ends in this time; none starts afterwards. To be called before a forced exit."""
        return self._lock.acquire(timeout=seconds)

    def _run(self, action: Callable[[], None]) -> None:
        with self._lock:
            action()


def copied(value: Any) -> Any:
    """Copy tensors to main memory, and the dictionaries and lists that hold them; anything else stays itself."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {name: copied(part) for name, part in value.items()}
    if isinstance(value, list):
        return [copied(part) for part in value]
    return value
