"""Whether one more model fits into memory, before the kernel has to end a process."""

from dataclasses import dataclass
from pathlib import Path

from container.serve.config import MEBIBYTE
from container.serve.replies import RequestError

# What a forked worker and its two helpers have for themselves, without a model and its work.
_WORKER_BYTES = 96 * MEBIBYTE

# Java beside its heap.
JAVA_BYTES = 128 * MEBIBYTE


@dataclass(frozen=True)
class Usage:
    """What a process has of main memory, in bytes."""

    proportional: int
    """Pages that it shares count by the share that is its own."""
    own_peak: int
    """The most that it ever had for itself alone."""

    @classmethod
    def of(cls, pid: int) -> "Usage":
        """Of a living process; nothing of one that has ended."""
        try:
            mapped = _kilobytes(Path(f"/proc/{pid}/smaps_rollup"))
            peak = _kilobytes(Path(f"/proc/{pid}/status")).get("VmHWM", 0)
        except OSError:
            return cls(0, 0)
        shared = mapped.get("Shared_Clean", 0) + mapped.get("Shared_Dirty", 0)
        return cls(mapped.get("Pss", 0) * 1024, max(0, peak - shared) * 1024)


def estimate_bytes(file_bytes: int) -> int:
    """What a model will take that has not been loaded yet: about as much for its work as for its tensors."""
    return _WORKER_BYTES + 2 * file_bytes


class FullError(RequestError):
    """507: there would be room if another model went."""


class Budget:
    """Counts what models take, by key."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit = limit_bytes
        """For the server and all models together."""
        self._taken: dict[str, int] = {}
        self.fixed = 0
        """What the server takes without a model."""

    @property
    def free(self) -> int:
        return self.limit - self.fixed - sum(self._taken.values())

    def reserve(self, key: str, size: int, available: int) -> None:
        """Take memory for a model that is about to be loaded.

        Args:
            key: The model's.
            size: Bytes, by `estimate_bytes`.
            available: Bytes that the machine can give at the moment, whoever else uses it.

        Raises:
            RequestError: 507, it is not there, whatever goes.
            FullError: It is not there now.
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
        """Replace the estimate by what was measured."""
        self._taken[key] = size

    def release(self, key: str) -> None:
        """The model is gone, or was never loaded."""
        self._taken.pop(key, None)


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int:
    """What the machine can give without pushing anything out."""
    return _kilobytes(meminfo)["MemAvailable"] * 1024


def measured_bytes(pids: list[int]) -> int:
    """What a model's processes have taken at most, and multi-model-server's stand-in with them."""
    return sum(Usage.of(pid).own_peak for pid in pids) + 16 * MEBIBYTE


def _kilobytes(path: Path) -> dict[str, int]:
    fields = (line.split() for line in path.read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in fields if words[-1] == "kB"}
