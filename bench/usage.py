"""Measures GPU utilisation and memory use while something runs."""

import resource
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import pynvml  # type: ignore[import-untyped]
import torch

from container.train.profiler.gpu_readings import GpuReadings

_INTERVAL_S = 0.1
_LONG_ENOUGH_S = 5.0
_SETTLED_S = 1.0  # a GPU's utilisation is measured over up to a second


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Use of the training device."""

    memory_bytes: int
    """Peak."""
    memory_of: str
    """Whose memory it is, in words."""
    gpu_percent: float | None = None
    """Share of time in which the GPU was busy; None on a CPU, or if the driver does not say."""


def usage_of(run: Callable[[], object], device: torch.device) -> Usage:
    """Measure the device while `run` runs; on a GPU it runs repeatedly for some seconds.

    On a CPU the memory is this process's all-time peak, so call it before anything else.
    """
    if device.type != "cuda":
        run()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return Usage(memory_bytes=peak, memory_of="of the process that trains, at its peak")
    torch.cuda.reset_peak_memory_stats(device)
    try:
        readings = _Readings(GpuReadings())
    except pynvml.NVMLError:
        readings = None
    start = time.perf_counter()
    while time.perf_counter() - start < _LONG_ENOUGH_S:
        run()
    percent, used = readings.stop() if readings else ([], [])
    return Usage(
        memory_bytes=int(max(used)) if used else torch.cuda.max_memory_allocated(device),
        memory_of="of the GPU, taken by all processes" if used else "of the GPU, taken by tensors",
        gpu_percent=statistics.mean(percent) if percent else None,
    )


class _Readings:
    """Polls the first GPU in a thread."""

    def __init__(self, read: GpuReadings) -> None:
        self._read = read
        self._of: dict[str, list[float]] = {"GPUUtilization": [], "GPUMemoryUsed": []}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def stop(self) -> tuple[list[float], list[float]]:
        """Stop; returns utilisation in percent and memory in bytes."""
        self._over.set()
        self._thread.join()
        return self._of["GPUUtilization"], self._of["GPUMemoryUsed"]

    def _collect(self) -> None:
        self._over.wait(_SETTLED_S)
        while not self._over.wait(_INTERVAL_S):
            for reading in self._read():
                if reading.name == "gpu0" and reading.dimension in self._of:
                    self._of[reading.dimension].append(reading.value)
