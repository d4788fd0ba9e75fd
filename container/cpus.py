"""Counts the CPUs this process may use: in a container with a limit, fewer than the host has."""

import math
import os
from collections.abc import Mapping
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def available_cpus(cgroup: Path = CGROUP) -> int:
    """Count the CPUs of the affinity mask, limited by the cgroup's quota."""
    count = len(os.sched_getaffinity(0))
    quota = cpu_quota(cgroup)
    return count if quota is None else max(1, min(count, math.ceil(quota)))


def threads_asked_for(environment: Mapping[str, str] = os.environ) -> int:
    """Read OMP_NUM_THREADS, which may be a list for nested loops; 0 if it is unset or not a number."""
    first = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() else 0


def cpu_quota(cgroup: Path = CGROUP) -> float | None:
    """Read a container's CPU limit, in CPUs (v2 `cpu.max`, v1 `cpu.cfs_quota_us`); None without a limit."""
    try:
        if (cgroup / "cpu.max").exists():
            limit, period = (cgroup / "cpu.max").read_text().split()
        else:
            limit = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        return None if limit in ("max", "-1") else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
