"""Batches from processes that read pictures, without a pause between epochs.

One iterator of torch's DataLoader goes through all epochs: while one is evaluated, its readers are at the next one's
first batches.
"""

import logging
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from container.errors import TrainingError

logger = logging.getLogger(__name__)

Batch = tuple[torch.Tensor, torch.Tensor]
"""uint8 (N, size, size, 3) and int64 (N,)."""
Batches = Iterator[Batch]

AHEAD = 2
"""Batches that each reader has ready."""
_DEATHS = 3
"""Of readers, after which something is wrong that goes on being so."""
_READER_ENDED = re.compile(r"DataLoader worker .*(killed|exited)")


class Loader:
    """Batches of a dataset, epoch after epoch.

    Args:
        pictures: The dataset.
        order: Keys of the batches of an epoch, counted from 1.
        steps: Batches of an epoch.
        last: The last epoch that may be asked for.
        workers: Processes that read; 0 reads in this one, when a batch is asked for.
        pin: Whether batches lie in memory that a GPU copies from by itself.
    """

    def __init__(
        self,
        pictures: Dataset[Any],
        order: Callable[[int], Sequence[Sequence[Any]]],
        *,
        steps: int,
        last: int,
        workers: int,
        pin: bool,
    ) -> None:
        self._pictures = pictures
        self._order = order
        self._steps = steps
        self._last = last
        self._workers = workers
        self._pin = pin
        self._running: Batches | None = None
        self._next = (0, 0)
        self._deaths = 0

    def batches(self, epoch: int, done: int = 0) -> Batches:
        """Those of an epoch after the first `done`.

        Raises:
            TrainingError: Processes that read pictures keep being killed.
        """
        for step in range(done, self._steps):
            batch = self._batch(epoch, step)
            self._next = (epoch, step + 1) if step + 1 < self._steps else (epoch + 1, 0)
            yield batch

    def close(self) -> None:
        """End the readers."""
        self._running = None

    def _batch(self, epoch: int, step: int) -> Batch:
        while True:
            if self._running is None or self._next != (epoch, step):
                self._running = self._start(epoch, step)
                self._next = (epoch, step)
            try:
                return next(self._running)
            except (RuntimeError, ConnectionError, EOFError) as error:
                # A batch that was ready cannot be fetched from a reader that is not there.
                if isinstance(error, RuntimeError) and not _READER_ENDED.search(str(error)):
                    raise
                self._running = None
                self._mourn(error)

    def _start(self, epoch: int, step: int) -> Batches:
        loader: DataLoader[Any] = DataLoader(
            self._pictures,
            batch_sampler=_Rest(self._order, epoch, step, self._last),  # type: ignore[arg-type]
            num_workers=self._workers,
            pin_memory=self._pin,
            prefetch_factor=AHEAD if self._workers else None,
            collate_fn=_collate,
            worker_init_fn=_begin_reading,
            # Of its own: drawing from the program's would move what comes after.
            generator=torch.Generator().manual_seed(0),
        )
        handler = signal.getsignal(signal.SIGCHLD)
        running = iter(loader)
        # torch's own handler raises a reader's end wherever training is; who waits for a batch finds out without it.
        signal.signal(signal.SIGCHLD, handler)
        return running

    def _mourn(self, error: Exception) -> None:
        self._deaths += 1
        if self._deaths > _DEATHS:
            raise TrainingError(
                f"processes that read pictures were ended {self._deaths} times, the last time so: {error}. Where "
                "memory is short, lower num-workers or batch-size; in Docker, give the container more shared memory "
                "(--shm-size=8g)"
            ) from error
        logger.warning("a process that reads pictures was ended (%s); others take over where it was", error)


class _Rest:
    """All batches from one on."""

    def __init__(self, order: Callable[[int], Sequence[Sequence[Any]]], epoch: int, step: int, last: int) -> None:
        self._order, self._epoch, self._step, self._last = order, epoch, step, last

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for epoch in range(self._epoch, self._last + 1):
            yield from self._order(epoch)[self._step if epoch == self._epoch else 0 :]


def _collate(items: Sequence[tuple[torch.Tensor, int] | None]) -> Batch:
    """A batch of what could be read."""
    found = [item for item in items if item is not None]
    if not found:
        return torch.empty((0, 1, 1, 3), dtype=torch.uint8), torch.empty(0, dtype=torch.int64)
    pictures, targets = default_collate(found)
    return pictures, targets


def _begin_reading(_worker: int) -> None:
    """A terminal sends Ctrl-C to all processes; readers must not be taken away from training by it. They end when
    training does, by SIGTERM, which therefore stays."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)  # where training and reading share CPUs, threads of training wait for each other
