"""The sampling of the machine, in one process of each host."""

import logging
import time
from collections.abc import Callable, Sequence

import psutil  # type: ignore[import-untyped]

from container.train.profiler.system_samples import Reading, SystemFiles

logger = logging.getLogger(__name__)

INTERVAL_S = 0.5
# The interval doubles after this many samples, so that a job of a day leaves megabytes, not gigabytes.
_SAMPLES_PER_INTERVAL = 1200

Reader = Callable[[], list[Reading]]


class Sampler:
    """Samples the machine when the next sample is due.

    Args:
        readers: Each reads a part of the machine. One that fails is not called again.
        files: The files of the samples.
        clock: Returns the time, seconds since 1970.
    """

    def __init__(
        self, readers: Sequence[Reader], files: SystemFiles, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._readers = list(readers)
        self._files = files
        self._clock = clock
        self._samples = 0
        self._next = clock() + INTERVAL_S

    def sample_if_due(self) -> None:
        """Take a sample if it is due.

        Raises:
            OSError: The sample cannot be written.
        """
        now = self._clock()
        if now < self._next or not self._readers:
            return
        self._samples += 1
        self._next = max(now, self._next + INTERVAL_S * 2 ** (self._samples // _SAMPLES_PER_INTERVAL))
        readings = []
        for reader in list(self._readers):
            try:
                readings += reader()
            except (OSError, RuntimeError, ValueError, KeyError, psutil.Error) as error:
                logger.warning("a part of the machine cannot be monitored: %s: %s", type(error).__name__, error)
                self._readers.remove(reader)
        self._files.append(readings, now)
