"""Reading GPUs again and again through NVML, the driver's management library. No torch is imported."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pynvml  # type: ignore[import-untyped]

Reader = Callable[[object], float]


class GpuMeters:
    """Call it for the values of all GPUs.

    What a GPU does not tell is left out: a slice of one (MIG), for instance, has no utilisation and no power of its
    own.
    """

    def __init__(self, handles: Sequence[object | None], readers: Mapping[str, Reader]) -> None:
        """Args: handles: NVML's, None for a GPU that it does not know; readers: what is read of each, by name."""
        self._handles = handles
        self._readers = readers
        self._untold: set[tuple[int, str]] = set()

    def __call__(self) -> Iterator[tuple[int, str, float]]:
        """Place among the handles, name of the reader, value."""
        for place, handle in enumerate(self._handles):
            for name, read in self._readers.items():
                if handle is None or (place, name) in self._untold:
                    continue
                try:
                    yield place, name, read(handle)
                except pynvml.NVMLError:
                    self._untold.add((place, name))


def all_handles() -> list[object]:
    """Of the GPUs that this container or machine has; none where there is no driver that answers."""
    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def utilization_percent(handle: object) -> float:
    """How much of the last sampling period (at most a second) a kernel ran."""
    return float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)


def memory_used_bytes(handle: object) -> float:
    return float(pynvml.nvmlDeviceGetMemoryInfo(handle).used)


def memory_total_bytes(handle: object) -> float:
    return float(pynvml.nvmlDeviceGetMemoryInfo(handle).total)


def power_watts(handle: object) -> float:
    return float(pynvml.nvmlDeviceGetPowerUsage(handle)) / 1000
