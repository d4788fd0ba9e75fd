"""The GPUs of this host that the job uses, asked through NVML, the driver's management library."""

from collections.abc import Callable

import pynvml  # type: ignore[import-untyped]
import torch

from container.train.profiler.system_samples import Reading


class GpuReadings:
    """Call it again and again.

    What a GPU does not tell is left out: a slice of one (MIG), for instance, has no utilisation and no power of its
    own.
    """

    def __init__(self) -> None:
        pynvml.nvmlInit()
        self._handles = [_handle(index) for index in range(torch.cuda.device_count())]
        self._untold: set[tuple[int, str]] = set()

    def __call__(self) -> list[Reading]:
        readings = []
        for index, handle in enumerate(self._handles):
            for dimension, read in _READERS.items():
                if handle is None or (index, dimension) in self._untold:
                    continue
                try:
                    readings.append(Reading("gpu", f"gpu{index}", dimension, read(handle)))
                except pynvml.NVMLError:
                    self._untold.add((index, dimension))
        return readings


def _handle(index: int) -> object | None:
    """NVML counts the machine's GPUs, torch those that this process may use: their common name is the UUID."""
    uuid = torch.cuda.get_device_properties(index).uuid
    for name in (f"GPU-{uuid}", f"MIG-{uuid}"):
        try:
            handle: object = pynvml.nvmlDeviceGetHandleByUUID(name)
        except pynvml.NVMLError:
            continue
        return handle
    return None


def _memory_percent(handle: object) -> float:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return 100 * float(memory.used) / float(memory.total)


_READERS: dict[str, Callable[[object], float]] = {
    "GPUUtilization": lambda handle: float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu),
    "GPUMemoryUtilization": _memory_percent,
    "GPUMemoryUsed": lambda handle: float(pynvml.nvmlDeviceGetMemoryInfo(handle).used),
    "GPUPower": lambda handle: float(pynvml.nvmlDeviceGetPowerUsage(handle)) / 1000,
}
