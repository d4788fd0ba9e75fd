"""How many CPUs this process may use: the host's count is wrong in a container with a limit."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def available_cpus(cgroup: Path = CGROUP) -> int:
    """CPUs of the affinity mask, further limited by the cgroup's quota."""
    count = len(os.sched_getaffinity(0))
    quota = cpu_quota(cgroup)
    return count if quota is None else max(1, min(count, math.ceil(quota)))


def cpu_quota(cgroup: Path = CGROUP) -> float | None:
    """CPUs' worth of time that a container may use (v2 `cpu.max`, v1 `cpu.cfs_quota_us`); None without such a limit."""
    try:
        if (cgroup / "cpu.max").exists():
            limit, period = (cgroup / "cpu.max").read_text().split()
        else:
            limit = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        return None if limit in ("max", "-1") else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None
