"""Polls GPUs through NVML, the driver's management library. Does not import torch."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pynvml  # type: ignore[import-untyped]

Reader = Callable[[object], float]


class GpuMeters:
    """Reads the values of all GPUs, each time it is called.

    Values that a GPU does not report are omitted: a slice of a GPU (MIG), for instance, has no utilisation or power of
    its own.

    Args:
        handles: NVML's; None for a GPU that it does not know.
        readers: What to read of each, by name.
    """

    def __init__(self, handles: Sequence[object | None], readers: Mapping[str, Reader]) -> None:
        self._handles = handles
        self._readers = readers
        self._unsupported: set[tuple[int, str]] = set()

    def __call__(self) -> Iterator[tuple[int, str, float]]:
        """Yield position among the handles, name of the reader, and value."""
        for place, handle in enumerate(self._handles):
            for name, read in self._readers.items():
                if handle is None or (place, name) in self._unsupported:
                    continue
                try:
                    yield place, name, read(handle)
                except pynvml.NVMLError as error:
                    # Other errors may be temporary.
                    if error.value in (pynvml.NVML_ERROR_NOT_SUPPORTED, pynvml.NVML_ERROR_NO_PERMISSION):
                        self._unsupported.add((place, name))


def all_handles() -> list[object]:
    """Return NVML's handles of all GPUs; none if no driver answers."""
    try:
        pynvml.nvmlInit()
        return [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []


def utilization_percent(handle: object) -> float:
    """Return the share of the last sampling period (at most a second) in which a kernel ran."""
    return float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)


def memory_used_bytes(handle: object) -> float:
    return float(pynvml.nvmlDeviceGetMemoryInfo(handle).used)


def memory_total_bytes(handle: object) -> float:
    return float(pynvml.nvmlDeviceGetMemoryInfo(handle).total)


def power_watts(handle: object) -> float:
    return float(pynvml.nvmlDeviceGetPowerUsage(handle)) / 1000
