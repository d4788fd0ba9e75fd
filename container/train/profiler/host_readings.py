"""CPUs, memory, disk and network of this host, as much of it as the container may use."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from container.cpus import CGROUP, available_cpus, cpu_quota
from container.train.profiler.system_samples import Reading

# What costs more to read than it changes is read on every so many samples only.
_SAMPLES_PER_LOOK_AT_MEMORY_AND_RATES = 2
_SAMPLES_PER_LOOK_AT_PROCESSES = 8  # which goes through all of the machine's


@dataclass(frozen=True)
class _Counters:
    """They only grow; their growth is what is read."""

    at: float
    disk: tuple[int, int, int]
    """Operations, bytes read, bytes written."""
    network: tuple[int, int]
    """Bytes received and sent, the loopback's left out."""


class HostReadings:
    """Call it again and again: the first time it only begins to count.

    Args:
        root: Of the tree of processes whose memory is read.
        cgroup: Where the container's limits are.
    """

    def __init__(self, root: psutil.Process, cgroup: Path = CGROUP) -> None:
        self._root = root
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
        if self._count % _SAMPLES_PER_LOOK_AT_MEMORY_AND_RATES == 0:
            readings.append(Reading("memory", "MemoryUsedPercent", "", self._memory_percent()))
            readings += self._rates()
        if self._count % _SAMPLES_PER_LOOK_AT_PROCESSES == 0:
            readings.append(Reading("memory", "process", "MemoryUsedBytes", _tree_bytes(self._root)))
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
        """Each CPU that this process may use. A container with a quota of CPU time may use any, but no more than its
        share of all together: it is then given as so many CPUs, all equally busy.

        Args:
            used: CPUs' worth of time that the container used, where it has a quota.
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
        """When, and the CPU time that the container had used (v2 `cpu.stat`, v1 `cpuacct.usage`); 0 without a quota."""
        if self._quota is None:
            return time.monotonic(), 0.0
        stat = self._cgroup / "cpu.stat"
        if stat.exists():
            return time.monotonic(), _named_numbers(stat)["usage_usec"] / 1e6
        return time.monotonic(), int((self._cgroup / "cpuacct" / "cpuacct.usage").read_text()) / 1e9

    def _memory_percent(self) -> float:
        """Of what the container may use, else of the machine's; what the system keeps of files and would give back at
        once is not used."""
        if self._memory_limit is None:
            return float(psutil.virtual_memory().percent)
        limit, used, stat, inactive = self._memory_limit
        return 100 * max(0, int(used.read_text()) - _named_numbers(stat).get(inactive, 0)) / limit


def _counters() -> _Counters:
    disk = psutil.disk_io_counters()  # None in a container that sees no disk
    cards = [card for name, card in psutil.net_io_counters(pernic=True).items() if name != "lo"]
    return _Counters(
        at=time.monotonic(),
        disk=(disk.read_count + disk.write_count, disk.read_bytes, disk.write_bytes) if disk else (0, 0, 0),
        network=(sum(card.bytes_recv for card in cards), sum(card.bytes_sent for card in cards)),
    )


def _memory_limit(cgroup: Path) -> tuple[int, Path, Path, str] | None:
    """Bytes that the container may use; where it says how much it does, its statistics, and the name in them of what
    could be given back (version 2 and 1 of cgroups). None without a limit below the machine's memory."""
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
    except (OSError, ValueError):  # there is none, or it is `max`
        return None


def _tree_bytes(root: psutil.Process) -> int:
    """Memory of all of the job's processes; pages that several share count for each."""
    total: int = 0
    for process in [root, *root.children(recursive=True)]:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total
