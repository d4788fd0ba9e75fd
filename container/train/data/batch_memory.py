"""Where DataLoader workers put their batches: in shared memory, or in files if it is too small.

Docker gives a container 64 MB of shared memory by default; a job with four workers needs more.
"""

import logging
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

logger = logging.getLogger(__name__)

AHEAD = 2
"""Batches that each worker prefetches."""

_SHARED = Path("/dev/shm")  # noqa: S108 - measured, not written to
# Per loader: the batch that training uses, and the one that is being pinned.
_IN_USE = 2
# Little else is in shared memory; the disk also holds the picture cache.
_USABLE = {"shared": 0.9, "files": 0.5}

# Shared memory is passed through Unix sockets below TMPDIR, whose paths are 107 bytes at most. With a longer one the
# error is raised in a worker's thread, and training would wait forever.
_SOCKET_BYTES = 107 - len("/pymp-01234567/listener-01234567")


@dataclass(frozen=True, kw_only=True)
class BatchMemory:
    """The number of DataLoader workers, and where they put their batches."""

    workers: int
    in_files: bool = False
    """Below TMPDIR instead of in shared memory."""


def choose_batch_memory(
    workers: int,
    *,
    batch_bytes: int,
    processes: int,
    free_bytes: Callable[[Path], int] = lambda directory: shutil.disk_usage(directory).free,
) -> BatchMemory:
    """Choose so that all prefetched batches fit; logs what differs from the request, and why.

    Args:
        workers: The number that the job asks for.
        batch_bytes: Size of one batch, summed over the loaders that run at the same time.
        processes: The job's processes on this host; they share the memory.
        free_bytes: Free space of a directory's file system; raises OSError if there is none.
    """
    temporary = Path(tempfile.gettempdir())
    shared, files = _free(_SHARED, free_bytes), _free(temporary, free_bytes)

    def needed(count: int) -> int:
        return processes * (AHEAD * count + _IN_USE) * batch_bytes

    def fitting(free: float) -> int:
        return next((count for count in range(workers, 0, -1) if needed(count) <= free), 0)

    if workers and len(os.fsencode(temporary)) > _SOCKET_BYTES:
        logger.warning(
            "TMPDIR, %s, is too long a path for passing batches by shared memory (%d bytes are the most): they are "
            "passed through files there",
            *(temporary, _SOCKET_BYTES),
        )
        count = fitting(files * _USABLE["files"])
        return BatchMemory(workers=count, in_files=bool(count))
    in_shared, in_files = fitting(shared * _USABLE["shared"]), fitting(files * _USABLE["files"])
    if in_shared == workers:
        return BatchMemory(workers=workers)
    chosen = BatchMemory(workers=max(in_shared, in_files), in_files=in_files > in_shared)
    if not chosen.workers:
        instead = "the training process reads the pictures itself"
    else:
        place = f"files below {temporary}" if chosen.in_files else "it"
        instead = f"{chosen.workers} of them read, and pass their batches through {place}"
    logger.warning(
        "%s has %.0f MB of shared memory free, and the batches of %d DataLoader workers%s need %.0f MB: %s. For more "
        "shared memory, start Docker with --shm-size=%dm; a lower batch-size or num-workers needs less",
        *(_SHARED, shared / 1e6, workers, f" in each of {processes} processes" if processes > 1 else ""),
        *(needed(workers) / 1e6, instead, needed(workers) // 900_000 + 1),
    )
    return chosen


class FiledBatch:
    """A batch in a file of its own, written by a DataLoader worker. Unpickling it makes tensors over the same pages of
    memory and deletes the file."""

    def __init__(self, directory: Path, pictures: Sequence[torch.Tensor], targets: Sequence[int]) -> None:
        batch = torch.stack(list(pictures))
        self._shape = tuple(batch.shape)
        self._targets = list(targets)
        # Written, not mapped: the file system may never need blocks for a file that is soon deleted, and a full disk is
        # an error here, where writing to mapped memory would be a bus error.
        descriptor, self._path = tempfile.mkstemp(dir=directory)
        os.close(descriptor)
        Path(self._path).write_bytes(batch.numpy().data)

    def __reduce__(self) -> tuple[object, ...]:
        return _open, (self._path, self._shape, self._targets)


def _open(path: str, shape: tuple[int, ...], targets: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    pictures = torch.from_file(path, shared=False, size=math.prod(shape), dtype=torch.uint8).view(shape)
    Path(path).unlink()
    return pictures, torch.tensor(targets, dtype=torch.int64)


def _free(directory: Path, free_bytes: Callable[[Path], int]) -> int:
    try:
        return free_bytes(directory)
    except OSError:
        return 0
