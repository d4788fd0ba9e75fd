"""CPU time that all programs together spend on the CPUs of this process."""

import os

import psutil  # type: ignore[import-untyped]


def machine_seconds(*, stolen: bool = False) -> tuple[float, int]:
    """Return the CPU time that all programs have used so far of the CPUs that this process may run on.

    Args:
        stolen: Add the time that a hypervisor gave to other virtual machines.

    Returns:
        Seconds, and the number of these CPUs.
    """
    times = psutil.cpu_times(percpu=True)
    mine = [times[index] for index in os.sched_getaffinity(0) if index < len(times)] or times
    # A guest's time is in that of users.
    used = sum(each.user + each.nice + each.system + each.irq + each.softirq + stolen * each.steal for each in mine)
    return float(used), len(mine)
