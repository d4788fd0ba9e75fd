"""Batches from DataLoader workers, without a pause between epochs.

One iterator of torch's DataLoader covers all epochs: while one is evaluated, its workers read the first batches of the
next.
"""

import logging
import os
import re
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from container.contract.errors import TrainingError
from container.train.data.batch_memory import AHEAD, BatchMemory, FiledBatch

logger = logging.getLogger(__name__)

Batch = tuple[torch.Tensor, torch.Tensor]
"""uint8 (N, size, size, 3) and int64 (N,)."""
Batches = Iterator[Batch]

_MOST_DEATHS = 3
"""Restarts of the workers before the job fails: by then the cause is permanent."""
# The second is what training sees of a dead worker if batches are pinned.
_WORKER_DIED = re.compile(r"DataLoader worker .*(killed|exited)|Pin memory thread exited")


class EpochLoader:
    """Batches of a dataset, epoch after epoch.

    Args:
        pictures: The dataset.
        order: Keys of the batches of an epoch, counted from 1.
        steps: Batches of an epoch.
        last: The last epoch that may be asked for.
        memory: The number of DataLoader workers, and where they put their batches; with 0 workers this process reads,
            when a batch is asked for.
        pin: Put batches into pinned memory, which a GPU copies from asynchronously.
    """

    def __init__(
        self,
        pictures: Dataset[Any],
        order: Callable[[int], Sequence[Sequence[Any]]],
        *,
        steps: int,
        last: int,
        memory: BatchMemory,
        pin: bool,
    ) -> None:
        self._pictures = pictures
        self._order = order
        self._steps = steps
        self._last = last
        self._workers = memory.workers
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        if memory.in_files:
            self._directory = tempfile.TemporaryDirectory(prefix="slipway-batches-", ignore_cleanup_errors=True)
        self._pin = pin
        self._running: Batches | None = None
        self._next = (0, 0)
        self._deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def batches(self, epoch: int, done: int = 0) -> Batches:
        """Yield the batches of an epoch after the first `done`.

        Raises:
            TrainingError: DataLoader workers keep dying.
        """
        for step in range(done, self._steps):
            batch = self._batch(epoch, step)
            self._next = (epoch, step + 1) if step + 1 < self._steps else (epoch + 1, 0)
            yield batch

    def close(self) -> None:
        """Stop the workers."""
        self._running = None
        if self._directory:
            self._directory.cleanup()

    def _batch(self, epoch: int, step: int) -> Batch:
        while True:
            if self._running is None or self._next != (epoch, step):
                self._running = self._start(epoch, step)
                self._next = (epoch, step)
            try:
                return next(self._running)
            except (RuntimeError, ConnectionError, EOFError) as error:
                # A connection error: a batch that was ready cannot be fetched from a dead worker.
                if isinstance(error, RuntimeError) and not _WORKER_DIED.search(str(error)):
                    raise
                self._running = None
                self._count_death(error)

    def _start(self, epoch: int, step: int) -> Batches:
        loader: DataLoader[Any] = DataLoader(
            self._pictures,
            batch_sampler=_RemainingBatches(self._order, epoch, step, self._last),  # type: ignore[arg-type]
            num_workers=self._workers,
            pin_memory=self._pin,
            prefetch_factor=AHEAD if self._workers else None,
            collate_fn=partial(_collate, Path(self._directory.name) if self._directory else None),
            worker_init_fn=_init_worker,
            # Its own generator: drawing from the global one would change all later random numbers.
            generator=torch.Generator().manual_seed(0),
        )
        handler = signal.getsignal(signal.SIGCHLD)
        running = iter(loader)
        # torch's handler would raise a worker's death anywhere in training; waiting for a batch finds it without that.
        signal.signal(signal.SIGCHLD, handler)
        return running

    def _count_death(self, error: Exception) -> None:
        self._deaths += 1
        if self._deaths > _MOST_DEATHS:
            raise TrainingError(
                f"DataLoader workers died {self._deaths} times, the last time with: {error}. If memory is short, lower "
                "num-workers or batch-size; in Docker, give the container more shared memory (--shm-size=8g)"
            ) from error
        logger.warning("a DataLoader worker died (%s); restarted from the same batch", error)


class _RemainingBatches:
    """A batch sampler: all batches from one on, over all remaining epochs."""

    def __init__(self, order: Callable[[int], Sequence[Sequence[Any]]], epoch: int, step: int, last: int) -> None:
        self._order, self._epoch, self._step, self._last = order, epoch, step, last

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for epoch in range(self._epoch, self._last + 1):
            yield from self._order(epoch)[self._step if epoch == self._epoch else 0 :]


def _collate(directory: Path | None, items: Sequence[tuple[torch.Tensor, int] | None]) -> Batch | FiledBatch:
    """Make a batch of the pictures that could be read; in a file if there is a directory for it."""
    found = [item for item in items if item is not None]
    if not found:
        return torch.empty((0, 1, 1, 3), dtype=torch.uint8), torch.empty(0, dtype=torch.int64)
    if directory:
        return FiledBatch(directory, *zip(*found, strict=True))
    pictures, targets = default_collate(found)
    return pictures, targets


def _init_worker(_worker: int) -> None:
    """Ignore Ctrl-C, which a terminal sends to all processes: training must not lose its workers to it. SIGTERM, by
    which training ends them, still works."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(5)  # where both share CPUs, training goes first: its threads wait for each other
