"""A cache of decoded pictures in an unnamed temporary file, filled by the scan and gone when its processes end.

The kernel keeps as much of the file in memory as is free, and drops it when the job needs the memory. The processes of
one host share what each of them has written.
"""

import logging
import mmap
import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from container.jpeg import Read
from container.memory import available_memory
from container.train.launch.distributed import World

logger = logging.getLogger(__name__)

Entry = tuple[int, int, int, int, int, int]
"""File, offset, height and width of the cached picture; height and width in its original file."""

_NOT_KEPT = -1


class PictureCache:
    """Cached pictures by index; those for which there was no room are missing."""

    def __init__(self, files: Sequence[mmap.mmap | None], entries: npt.NDArray[np.int64]) -> None:
        self._files = files
        self._entries = entries

    @property
    def count(self) -> int:
        """Number of cached pictures."""
        return int((self._entries[:, 0] != _NOT_KEPT).sum())

    def read(self, index: int) -> Read | None:
        """Read a cached picture, which must not be written to; None if there was no room for it."""
        file, offset, height, width, whole_height, whole_width = map(int, self._entries[index])
        if file == _NOT_KEPT:
            return None
        pixels = np.frombuffer(self._files[file], np.uint8, height * width * 3, offset)  # type: ignore[arg-type]
        return Read(pixels=pixels.reshape(height, width, 3), width=whole_width, height=whole_height)


class CacheWriter:
    """This process's share of a cache; thread-safe.

    Args:
        room: Bytes that may be written.
    """

    def __init__(self, room: int) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the job
        self._room = room
        self._lock = threading.Lock()
        self.size = 0
        """Bytes written."""

    def add(self, rank: int, read: Read) -> Entry:
        """Add a picture if there is room.

        Args:
            rank: Whose file this is, as `shared` numbers them.
            read: The picture.
        """
        pixels = np.ascontiguousarray(read.pixels)
        with self._lock:
            offset, fits = self.size, self.size + pixels.nbytes <= self._room
            self.size += pixels.nbytes if fits else 0
        if not fits or not self._write(pixels.data.cast("B"), offset):
            return (_NOT_KEPT, 0, 0, 0, 0, 0)
        return (rank, offset, pixels.shape[0], pixels.shape[1], read.height, read.width)

    def shared(self, world: World) -> list[mmap.mmap | None]:
        """Map the files of all processes by rank; None for those on other hosts. All processes call this after the
        last `add`."""
        self._file.flush()
        node = world.rank // world.local_size
        found: list[mmap.mmap | None] = []
        for other_node, process, number, size in world.gather((node, os.getpid(), self._file.fileno(), self.size)):
            if other_node != node or not size:
                found.append(None)
                continue
            with Path(f"/proc/{process}/fd/{number}").open("rb") as file:
                found.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        world.any(False)  # no process may go on, and possibly end, before all have opened its file
        return found

    def _write(self, data: memoryview, offset: int) -> bool:
        try:
            while data:
                written = os.pwrite(self._file.fileno(), data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:  # what is already written stays usable
            with self._lock:
                if self._room:
                    logger.warning("no more pictures are cached in %s: %s", tempfile.gettempdir(), error.strerror)
                self._room = 0
            return False
        return True


def room_for_cache(cache: str, processes: int) -> int:
    """Compute how many bytes each of a host's processes may cache.

    Args:
        cache: The hyperparameter: `auto` allows half of the free memory, and at most half of the free disk; `on` nine
            tenths of the disk, which is then read repeatedly if memory is short; `off` nothing.
        processes: The number of processes on this host.
    """
    if cache == "off":
        return 0
    try:
        free = shutil.disk_usage(tempfile.gettempdir()).free
        room = 9 * free // 10 if cache == "on" else min(available_memory(), free) // 2
    except (OSError, ValueError) as error:
        logger.warning("pictures are not cached: what is free cannot be told: %s", error)
        return 0
    return room // processes
