"""Readings of the GPUs of this host that the job uses, through NVML, the driver's management library."""

import pynvml  # type: ignore[import-untyped]
import torch

from container import gpu_meters
from container.gpu_meters import GpuMeters, Reader
from container.train.profiler.system_samples import Reading


class GpuReadings:
    """Reads all GPUs at each call; omits what a GPU does not report."""

    def __init__(self) -> None:
        pynvml.nvmlInit()
        self._meters = GpuMeters([_handle(index) for index in range(torch.cuda.device_count())], _READERS)

    def __call__(self) -> list[Reading]:
        return [Reading("gpu", f"gpu{index}", dimension, value) for index, dimension, value in self._meters()]


def _handle(index: int) -> object | None:
    """Find a GPU by its UUID: NVML counts the machine's GPUs, torch only those that this process may use."""
    uuid = torch.cuda.get_device_properties(index).uuid
    for name in (f"GPU-{uuid}", f"MIG-{uuid}"):
        try:
            handle: object = pynvml.nvmlDeviceGetHandleByUUID(name)
        except pynvml.NVMLError:
            continue
        return handle
    return None


def _memory_percent(handle: object) -> float:
    return 100 * gpu_meters.memory_used_bytes(handle) / gpu_meters.memory_total_bytes(handle)


_READERS: dict[str, Reader] = {
    "GPUUtilization": gpu_meters.utilization_percent,
    "GPUMemoryUtilization": _memory_percent,
    "GPUMemoryUsed": gpu_meters.memory_used_bytes,
    "GPUPower": gpu_meters.power_watts,
}
