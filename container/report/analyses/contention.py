"""What other programs, a CPU quota and the hypervisor take from the job, computed from what its threads waited for.

A thread that can run and has no CPU is counted as waiting by the kernel (schedstat). On a CPU, the threads of a process
that trains divide each operation and the slowest ends it, while the others wait or spin: so what each of them waits for
other programs is lost to all, and what the main thread waits for a quota, since that stops all of them at once. Where
the loop waits for data, only what the readers wait is lost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from container.report.analyses.reading import readers_decide
from container.report.analyses.samples import LEAST, nodes
from container.report.profile_record import Profile, Series

_MOST = 0.97
"""Share of the time, so that the gain of a job that hardly ran stays a number."""

_MOST_OF_TEAM = 0.9
"""Likewise, of the time that all threads but the main one waited: they may wait at the same time."""


@dataclass(frozen=True)
class Contention:
    """The contention on one host."""

    profile: Profile
    node: str

    def mean(self, name: str, dimension: str, kind: str = "process") -> float | None:
        """Average a series while the job trained, in CPUs or as a share; None if it was not recorded."""
        found = [each for each in self.profile.in_training(kind, dimension, name) if each.node == self.node]
        return float(np.concatenate([each.values for each in found]).mean()) / 100 if found else None

    @cached_property
    def job(self) -> float:
        """CPUs that the job used."""
        return self.mean("job", "CPUUtilization") or 0.0

    @cached_property
    def others(self) -> float:
        """CPUs that other programs used."""
        return self.mean("others", "CPUUtilization") or 0.0

    @cached_property
    def lost_to_quota(self) -> float:
        """Share of the time lost to the container's CPU quota, which stops all threads at once."""
        if readers_decide(self.profile):
            return self._reader_waits * self._throttled
        return min(_MOST, (self.mean("trainer", "CPUWaitPercentage") or 0.0) * self._throttled)

    @cached_property
    def lost_to_others(self) -> float:
        """Share of the time lost to other programs, which share the CPUs with the job's own processes and threads.

        Where a quota is used up, the job would only use it up sooner without them.
        """
        main = self.mean("trainer", "CPUWaitPercentage") or 0.0
        team = max(0.0, (self.mean("trainer", "ThreadsCPUWaitPercentage") or 0.0) - main)
        team = team if self.profile.device == "cpu" else 0.0
        free = 1 - self._throttled
        lost = 1 - (1 - min(_MOST, main * free)) * (1 - min(_MOST_OF_TEAM, team * free))
        if readers_decide(self.profile):
            lost = self._reader_waits * free
        unlimited = 1 - (self.mean("cpu", "ThrottledPercentage", "kernel") or 0.0)
        own = max(0.0, self.job - (self.mean("trainer", "CPUUtilization") or 0.0))
        return min(_MOST, lost) * unlimited * self.others / max(self.others + own, 1e-9)

    @property
    def _reader_waits(self) -> float:
        return min(_MOST, self.mean("readers", "CPUWaitPercentage") or 0.0)

    @property
    def _throttled(self) -> float:
        """Share of what the job's threads waited for a CPU that was due to the quota."""
        throttled = self.mean("cpu", "ThrottledTimePercentage", "kernel") or 0.0
        return throttled / max(throttled, self.mean("job", "CPUWaitPercentage") or 0.0, 1e-9)

    @cached_property
    def stolen(self) -> float:
        """Share of the CPU time that this machine wanted and its hypervisor gave to others."""
        return min(_MOST, self.mean("cpu", "StealPercentage", "kernel") or 0.0)

    @property
    def programs(self) -> list[tuple[str, float]]:
        """Other programs by name, with the CPUs that each used while it was among the busiest; the busiest first."""
        found = [
            (each.name.removeprefix("program "), float(each.values.mean()) / 100)
            for each in self.profile.in_training("process", "CPUUtilization")
            if each.node == self.node and each.name.startswith("program ")
        ]
        return sorted(found, key=lambda entry: -entry[1])


def contentions(profile: Profile) -> list[Contention]:
    """List the hosts on which the job's own processes were sampled often enough."""
    return [Contention(profile, node) for node in nodes(_sampled(profile))]


def samples(profile: Profile) -> int:
    """Count the samples of the job's own processes."""
    return max((len(each) for each in profile.in_training("process", "CPUUtilization", "job")), default=0)


def free_cpus(profile: Profile) -> float | None:
    """Compute how many CPUs other programs and a quota leave to the job on the fullest host; None if unknown."""
    found = [
        min(each.job, profile.cpus * _local_processes(profile))
        if each.lost_to_quota > 0.1
        else max(each.job, profile.cpus * _local_processes(profile) - each.others)
        for each in contentions(profile)
    ]
    return min(found, default=None)


def _local_processes(profile: Profile) -> int:
    return 1 + max((process.local_rank for process in profile.processes), default=0)


def _sampled(profile: Profile) -> Sequence[Series]:
    return [each for each in profile.in_training("process", "CPUUtilization", "job") if len(each) >= LEAST]
