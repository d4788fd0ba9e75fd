"""The memory budget: whether another model fits, before the kernel has to end a process."""

from dataclasses import dataclass
from pathlib import Path

from container.serve.protocol.replies import FullError, RequestError
from container.serve.settings.config import MEBIBYTE

# Private memory of a forked worker and its two helper processes, without a model.
_WORKER_BYTES = 96 * MEBIBYTE

# Java's memory outside its heap.
JAVA_BYTES = 128 * MEBIBYTE


@dataclass(frozen=True)
class Usage:
    """A process's main memory, in bytes."""

    proportional: int
    """Proportional set size: shared pages count by its share of them."""
    own_peak: int
    """Peak of its private memory."""
    written: int = 0
    """Memory that it has written to, shared with forked processes or not: the kernel cannot take it away."""

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Measure a living process; zeros for one that has ended."""
        try:
            mapped = _kilobytes(Path(f"/proc/{pid}/smaps_rollup"))
            peak = _kilobytes(Path(f"/proc/{pid}/status")).get("VmHWM", 0)
        except OSError:
            return cls(0, 0)
        shared = mapped.get("Shared_Clean", 0) + mapped.get("Shared_Dirty", 0)
        clean = mapped.get("Shared_Clean", 0) + mapped.get("Private_Clean", 0)
        written = max(0, mapped.get("Rss", 0) - clean)
        return cls(mapped.get("Pss", 0) * 1024, max(0, peak - shared) * 1024, written * 1024)


def estimate_bytes(file_bytes: int) -> int:
    """Estimate what a model will take once loaded: about as much for its work as for its tensors."""
    return _WORKER_BYTES + 2 * file_bytes


class Budget:
    """Accounts for the memory of models, by key."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit = limit_bytes
        """Limit for the server and all models together."""
        self._taken: dict[str, int] = {}
        self.fixed = 0
        """Memory of the server without a model."""

    @property
    def free(self) -> int:
        return self.limit - self.fixed - sum(self._taken.values())

    def reserve(self, key: str, size: int, available: int) -> None:
        """Reserve memory for a model that is about to be loaded.

        Args:
            key: The model's key.
            size: In bytes, from `estimate_bytes`.
            available: Bytes that the machine has to give at the moment.

        Raises:
            RequestError: 507, it would not fit even without any other model.
            FullError: 507, it does not fit now.
        """
        alone = max(0, self.limit - self.fixed)
        if size > alone:
            raise RequestError(
                507,
                f"this model needs about {size // MEBIBYTE} MiB, and {alone // MEBIBYTE} MiB are there for models, "
                "even without any other; take a larger instance",
            )
        free = max(0, min(self.free, available))
        if size > free:
            raise FullError(
                507,
                f"there is too little memory for this model: it needs about {size // MEBIBYTE} MiB, and "
                f"{free // MEBIBYTE} of {self.limit // MEBIBYTE} MiB are free beside the server and "
                f"{len(self._taken)} models; unload one",
            )
        self._taken[key] = size

    def settle(self, key: str, size: int) -> None:
        """Replace the estimate by a measurement."""
        self._taken[key] = size

    def release(self, key: str) -> None:
        """Free the memory of a model that is gone, or was never loaded."""
        self._taken.pop(key, None)


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Memory that the machine can give without swapping."""
    return _kilobytes(meminfo)["MemAvailable"] * 1024


def measured_bytes(pids: list[int]) -> int:
    """Peak memory of a model's processes, with that of the process that multi-model-server itself started."""
    return sum(Usage.of(pid).own_peak for pid in pids) + 16 * MEBIBYTE


def _kilobytes(path: Path) -> dict[str, int]:
    fields = (line.split() for line in path.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in fields if words[-1] == "kB"}
