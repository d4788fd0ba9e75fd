"""Readings of what the kernel keeps from the job: CPU time beyond the container's quota, stolen time, and pressure.

Type `kernel`: of `cpu`, ThrottledPercentage (periods in which the container used up its quota; v1 and v2 `cpu.stat`),
ThrottledTimePercentage (time that its CPUs waited for the next period; of several CPUs it may exceed 100) and
StealPercentage (of the CPU time that programs here wanted, what the hypervisor gave to others); of `cpu`, `io` and
`memory`, PressurePercentage (time in which something waited for it; the kernel's Documentation/accounting/psi).
"""

import os
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from container.cpus import CGROUP
from container.train.profiler.system_samples import Reading

_RESOURCES = ("cpu", "io", "memory")
_MACHINE = Path("/proc/pressure")


class KernelReadings:
    """Reads the kernel's counters at each call, over the time since the previous one.

    Args:
        cgroup: The directory of the container's limits.
        pressure: The directory of the machine's pressure, where the container has none of its own.
    """

    def __init__(self, cgroup: Path = CGROUP, pressure: Path = _MACHINE) -> None:
        self._cgroup = cgroup
        self._pressure = pressure
        self._before = self._counters()

    def __call__(self) -> list[Reading]:
        before, now = self._before, self._counters()
        self._before = now
        grown = {name: max(0.0, value - before[name]) for name, value in now.items() if name in before}
        elapsed = max(grown["elapsed"], 1e-3)
        readings = []
        if grown.get("periods"):
            share = min(100.0, 100 * grown["throttled"] / grown["periods"])
            readings.append(Reading("kernel", "cpu", "ThrottledPercentage", share))
            waited = 100 * grown.get("throttled_s", 0.0) / elapsed
            readings.append(Reading("kernel", "cpu", "ThrottledTimePercentage", waited))
        wanted = grown["used"] + grown["stolen"]
        stolen = 100 * grown["stolen"] / wanted if wanted > 0 else 0.0
        readings.append(Reading("kernel", "cpu", "StealPercentage", stolen))
        for name in _RESOURCES:
            if name in grown:
                readings.append(Reading("kernel", name, "PressurePercentage", min(100.0, 100 * grown[name] / elapsed)))
        return readings

    def _counters(self) -> dict[str, float]:
        """Read all counters that are there, in seconds or numbers."""
        times = psutil.cpu_times(percpu=True)
        mine = [times[index] for index in os.sched_getaffinity(0) if index < len(times)]
        found = {
            "elapsed": time.monotonic(),
            "used": float(sum(cpu.user + cpu.nice + cpu.system + cpu.irq + cpu.softirq for cpu in mine)),
            "stolen": float(sum(cpu.steal for cpu in mine)),
        }
        for file, unit in ((self._cgroup / "cpu.stat", 1e6), (self._cgroup / "cpu" / "cpu.stat", 1e9)):
            numbers = _named_numbers(file)
            if "nr_periods" in numbers:
                found |= {
                    "periods": numbers["nr_periods"],
                    "throttled": numbers["nr_throttled"],
                    "throttled_s": numbers.get("throttled_usec", numbers.get("throttled_time", 0)) / unit,
                }
                break
        for name in _RESOURCES:
            total = _pressure_s(self._cgroup / f"{name}.pressure")
            total = _pressure_s(self._pressure / name) if total is None else total
            if total is not None:
                found[name] = total
        return found


def _named_numbers(path: Path) -> dict[str, int]:
    try:
        return {name: int(number) for name, number in (line.split() for line in path.read_text().splitlines())}
    except (OSError, ValueError):
        return {}


def _pressure_s(path: Path) -> float | None:
    """Read for how many seconds something has waited; None where the kernel does not tell."""
    try:
        line = path.read_text().splitlines()[0]
    except (OSError, IndexError):  # reading it fails where pressure is switched off
        return None
    _, found, total = line.partition("total=")
    return int(total) / 1e6 if found else None
