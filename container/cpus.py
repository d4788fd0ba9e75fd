"""How many CPUs this process may use: the host's count is wrong in a container with a limit."""

import math
import os
from collections.abc import Mapping
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")

SPIN = ("GOMP_SPINCOUNT", "1000")
"""Variable of libgomp, which torch computes with, and the value that is set unless the user has: how often a
thread looks whether the others are there before it sleeps. Sleeping at once makes each operation wait to be woken for;
looking for as long as libgomp does by itself takes the CPU from the very thread that is waited for, if it is shared."""


def available_cpus(cgroup: Path = CGROUP) -> int:
    """CPUs of the affinity mask, further limited by the cgroup's quota."""
    count = len(os.sched_getaffinity(0))
    quota = cpu_quota(cgroup)
    return count if quota is None else max(1, min(count, math.ceil(quota)))


def threads_asked_for(environment: Mapping[str, str] = os.environ) -> int:
    """OpenMP's variable, which may be a list for nested loops; 0 where it says nothing."""
    first = environment.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() else 0


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
