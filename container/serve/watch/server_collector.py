"""Metrics of the whole server, collected on request: restarts, workers, memory, GPUs."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from container import gpu_meters
from container.gpu_meters import GpuMeters
from container.processes import descendants, is_alive
from container.serve.protocol.state import Ends, WorkerStatus

_READERS = {
    "slipway_gpu_utilization_ratio": lambda handle: gpu_meters.utilization_percent(handle) / 100,
    "slipway_gpu_memory_used_bytes": gpu_meters.memory_used_bytes,
    "slipway_gpu_memory_total_bytes": gpu_meters.memory_total_bytes,
    "slipway_gpu_power_watts": gpu_meters.power_watts,
}
GPU_MEANINGS = {
    "slipway_gpu_utilization_ratio": "Part of the last moment in which the GPU computed, 0 to 1.",
    "slipway_gpu_memory_used_bytes": "Memory of the GPU that is taken, by whomever.",
    "slipway_gpu_memory_total_bytes": "Memory that the GPU has.",
    "slipway_gpu_power_watts": "Power that the GPU draws.",
}


class ServerCollector:
    """A custom collector for prometheus_client."""

    def __init__(self, run_dir: Path, supervisor: int, *, use_gpus: bool, many_models: bool = False) -> None:
        """
        Args:
            run_dir: Where the supervisor and the workers report.
            supervisor: Its process id.
            use_gpus: Include the GPUs' metrics.
            many_models: Omit the metric about the one model.
        """
        self._run_dir = run_dir
        self._supervisor = supervisor
        self._many_models = many_models
        self._gpus = GpuMeters(gpu_meters.all_handles() if use_gpus else [], _READERS)

    def collect(self) -> Iterator[Metric]:
        """Collect all metrics; those of GPUs and of the model only if there is one."""
        yield self._ends()
        yield self._memory()
        yield from self._workers()
        yield from self._gpu_families()

    def _ends(self) -> Metric:
        ends = Ends.read(self._run_dir)
        family = CounterMetricFamily(
            "slipway_restarts", "Parts of the server that ended unasked, and were started again.", labels=["part"]
        )
        for part, count in (("worker", ends.worker), ("model-server", ends.model_server), ("front", ends.front)):
            family.add_metric([part], count)
        return family

    def _memory(self) -> Metric:
        memory: Counter[str] = Counter()
        for pid in [self._supervisor, *descendants(self._supervisor)]:
            memory[self._part(pid)] += _resident_bytes(pid)
        family = GaugeMetricFamily(
            "slipway_resident_memory_bytes",
            "Main memory of the server's processes by part, shared pages in each (RSS).",
            labels=["part"],
        )
        for part, size in memory.items():
            family.add_metric([part], size)
        return family

    def _part(self, pid: int) -> str:
        if pid == self._supervisor:
            return "supervisor"
        if pid == os.getpid():
            return "front"
        return "model-server" if _command_name(pid) == "java" else "workers"

    def _workers(self) -> Iterator[Metric]:
        # Every model has a directory with its workers' reports.
        loaded = [status for place in self._run_dir.glob("store/*/") for status in self._loaded(place)]
        yield GaugeMetricFamily("slipway_workers", "Workers that live and have their model.", len(loaded))
        if loaded and not self._many_models:
            facts = {key: str(value) for key, value in loaded[0].facts.items()}
            yield InfoMetricFamily("slipway_model", "What a worker has loaded, and what it runs on.", facts)

    @staticmethod
    def _loaded(place: Path) -> list[WorkerStatus]:
        try:
            found = WorkerStatus.read_all(place)
        except (OSError, ValueError):
            # A report was removed meanwhile.
            return []
        return [status for status in found if status.phase == "loaded" and is_alive(status.pid)]

    def _gpu_families(self) -> Iterator[Metric]:
        readings = list(self._gpus())
        for name, meaning in GPU_MEANINGS.items():
            values = [(gpu, value) for gpu, reader, value in readings if reader == name]
            family = GaugeMetricFamily(name, meaning, labels=["gpu"])
            for gpu, value in values:
                family.add_metric([str(gpu)], value)
            if values:
                yield family


def _resident_bytes(pid: int) -> int:
    """Resident memory of a process; 0 if it has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _command_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""
