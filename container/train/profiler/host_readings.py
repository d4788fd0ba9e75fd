"""Readings of this host's CPUs, memory, disk and network, as far as the container may use them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from container.cpus import CGROUP, available_cpus, cpu_quota
from container.train.profiler.system_samples import Reading

_SAMPLES_PER_MEMORY_READING = 2


@dataclass(frozen=True)
class _Counters:
    """Counters that only grow; the readings are their growth."""

    at: float
    disk: tuple[int, int, int]
    """Operations, bytes read, bytes written."""
    network: tuple[int, int]
    """Bytes received and sent, without the loopback's."""


class HostReadings:
    """Reads the host at each call, over the time since the previous one.

    Args:
        cgroup: The directory with the container's limits.
    """

    def __init__(self, cgroup: Path = CGROUP) -> None:
        self._cgroup = cgroup
        self._quota = cpu_quota(cgroup)
        self._memory_limit = _memory_limit(cgroup)
        self._count = 0
        psutil.cpu_times_percent(percpu=True)
        self._used = self._cpu_seconds()
        self._counters = _counters()

    def __call__(self) -> list[Reading]:
        before, self._used = self._used, self._cpu_seconds()
        readings = self._cpus((self._used[1] - before[1]) / max(self._used[0] - before[0], 1e-3))
        if self._count % _SAMPLES_PER_MEMORY_READING == 0:
            readings.append(Reading("memory", "MemoryUsedPercent", "", self._memory_percent()))
            readings += self._rates()
        self._count += 1
        return readings

    def _rates(self) -> list[Reading]:
        before, now = self._counters, _counters()
        self._counters = now
        elapsed = max(now.at - before.at, 1e-3)
        disk = zip(
            ("IOPS", "ReadThroughputInBytesPerSecond", "WriteThroughputInBytesPerSecond"),
            before.disk,
            now.disk,
            strict=True,
        )
        network = zip(("ReceiveBytesPerSecond", "TransmitBytesPerSecond"), before.network, now.network, strict=True)
        return [Reading("i/o", name, "", (later - earlier) / elapsed) for name, earlier, later in disk] + [
            Reading("network", name, "Algorithm", (later - earlier) / elapsed) for name, earlier, later in network
        ]

    def _cpus(self, used: float) -> list[Reading]:
        """Read each CPU that this process may use.

        A container with a quota of CPU time may use any CPU, but all together no more than its quota: it is reported as
        that many CPUs, all equally busy.

        Args:
            used: CPUs that the container used on average, if it has a quota.
        """
        percents = psutil.cpu_times_percent(percpu=True)
        mine = sorted(index for index in os.sched_getaffinity(0) if index < len(percents)) or list(range(len(percents)))
        waits = [min(100.0, getattr(percents[index], "iowait", 0.0)) for index in mine]
        busy = [max(0.0, 100 - percents[index].idle - wait) for index, wait in zip(mine, waits, strict=True)]
        if self._quota is not None and self._quota < len(mine):
            share, wait = min(100.0, 100 * used / self._quota), sum(waits) / len(waits)
            mine = list(range(available_cpus(self._cgroup)))
            busy, waits = [share] * len(mine), [wait] * len(mine)
        return [
            reading
            for index, used_percent, wait in zip(mine, busy, waits, strict=True)
            for reading in (
                Reading("cpu", f"cpu{index}", "CPUUtilization", used_percent),
                Reading("cpu", f"cpu{index}", "I/OWaitPercentage", wait),
            )
        ]

    def _cpu_seconds(self) -> tuple[float, float]:
        """Return the time, and the container's CPU time (v2 `cpu.stat`, v1 `cpuacct.usage`; 0 without a quota)."""
        if self._quota is None:
            return time.monotonic(), 0.0
        stat = self._cgroup / "cpu.stat"
        if stat.exists():
            return time.monotonic(), _named_numbers(stat)["usage_usec"] / 1e6
        return time.monotonic(), int((self._cgroup / "cpuacct" / "cpuacct.usage").read_text()) / 1e9

    def _memory_percent(self) -> float:
        """Return the memory in use, in percent of the container's limit, else of the machine's memory.

        Caches of files that the system would give back at once do not count as used.
        """
        if self._memory_limit is None:
            return float(psutil.virtual_memory().percent)
        limit, used, stat, inactive = self._memory_limit
        return 100 * max(0, int(used.read_text()) - _named_numbers(stat).get(inactive, 0)) / limit


def memory_bytes(cgroup: Path = CGROUP) -> int:
    """Return the memory that the job may use: the container's limit, else the machine's memory."""
    limit = _memory_limit(cgroup)
    return int(psutil.virtual_memory().total) if limit is None else limit[0]


def _counters() -> _Counters:
    disk = psutil.disk_io_counters()  # None in a container without a disk
    cards = [card for name, card in psutil.net_io_counters(pernic=True).items() if name != "lo"]
    return _Counters(
        at=time.monotonic(),
        disk=(disk.read_count + disk.write_count, disk.read_bytes, disk.write_bytes) if disk else (0, 0, 0),
        network=(sum(card.bytes_recv for card in cards), sum(card.bytes_sent for card in cards)),
    )


def _memory_limit(cgroup: Path) -> tuple[int, Path, Path, str] | None:
    """Find the container's memory limit, in cgroups of version 2 or 1.

    Returns:
        The limit in bytes; the files of the memory in use and of its statistics; the name in these of what can be given
        back. None without a limit below the machine's memory.
    """
    old = cgroup / "memory"
    for limit, used, stat, inactive in (
        (cgroup / "memory.max", cgroup / "memory.current", cgroup / "memory.stat", "inactive_file"),
        (old / "memory.limit_in_bytes", old / "memory.usage_in_bytes", old / "memory.stat", "total_inactive_file"),
    ):
        number = _number(limit)
        if number and number < psutil.virtual_memory().total and used.exists() and stat.exists():
            return number, used, stat, inactive
    return None


def _named_numbers(path: Path) -> dict[str, int]:
    return {name: int(number) for name, number in (line.split() for line in path.read_text().splitlines())}


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or `max`
        return None
