"""Measures the memory this process may still use: in a container with a limit, less than the host has."""

from pathlib import Path

from container.cpus import CGROUP

_MEMINFO = Path("/proc/meminfo")


def available_memory(cgroup: Path = CGROUP, meminfo: Path = _MEMINFO) -> int:
    """Return the bytes free without swapping: the host's `MemAvailable`, or what the cgroup's limit leaves if less.

    The cgroup's page cache counts as free, since the kernel reclaims it when needed.
    """
    left = _limit_left(cgroup / "memory.max", cgroup / "memory.current", cgroup / "memory.stat", "inactive_file")
    if left is None:
        version_1 = cgroup / "memory"
        left = _limit_left(
            version_1 / "memory.limit_in_bytes",
            version_1 / "memory.usage_in_bytes",
            version_1 / "memory.stat",
            "total_inactive_file",
        )
    host = _field(meminfo, "MemAvailable:") * 1024
    return host if left is None else max(0, min(host, left))


def _limit_left(limit: Path, usage: Path, statistics: Path, reclaimable: str) -> int | None:
    try:
        allowed = limit.read_text().strip()
        if allowed == "max":
            return None
        return int(allowed) - int(usage.read_text()) + _field(statistics, reclaimable)
    except (OSError, ValueError):
        return None


def _field(file: Path, name: str) -> int:
    for line in file.read_text().splitlines():
        words = line.split()
        if words[:1] == [name]:
            return int(words[1])
    raise ValueError(f"{file} has no {name}")
