"""The number of threads that a step on a CPU uses, fewer where other programs use the same CPUs."""

import logging
import math
import os
import time

import psutil  # type: ignore[import-untyped]
import torch

from container.cpus import available_cpus, threads_asked_for
from container.train.device import Device
from container.train.launch.distributed import World

logger = logging.getLogger(__name__)

_EVERY_S = 5.0
# A CPU of which others use less than this is still worth a thread. Two busy programs share two CPUs in thirds where one
# of them has two threads, so that a neighbour with a thread of its own shows as two thirds of a CPU or more.
_NEGLIGIBLE = 0.4


class Threads:
    """Adapts torch's threads to what other programs leave free of this process's CPUs.

    The threads of a step wait for each other many times in it, so that one without a CPU holds up all: beside a program
    that occupies one of two CPUs, one thread takes a step several times as fast as two (docs/performance.md). Which
    number is used changes the last bits of a step's result; OMP_NUM_THREADS fixes it.

    Args:
        device: Only a CPU's threads are adapted.
        world: Several processes of a job on one host share its CPUs, and are left as they are.
    """

    def __init__(self, device: Device, world: World) -> None:
        self._most = available_cpus()
        self._adapts = not device.is_cuda and self._most > 1 and world.local_size == 1 and not threads_asked_for()
        if self._adapts:
            self._at, self._usage = time.monotonic(), _Usage()

    def adapt(self) -> None:
        """Set the number of threads by what was free since the last look, some seconds ago at least. Call it before a
        step, from the thread that computes."""
        if not self._adapts or (elapsed := time.monotonic() - self._at) < _EVERY_S:
            return
        before, self._usage, self._at = self._usage, _Usage(), self._at + elapsed
        others = max(0.0, self._usage.others - before.others) / elapsed
        threads = threads_beside(others, cpus=len(self._usage.cpus), most=self._most)
        if threads == torch.get_num_threads():
            return
        logger.info(
            "other programs use %.1f of %d CPUs: steps take %d thread%s from now on (OMP_NUM_THREADS fixes the number)",
            *(others, len(self._usage.cpus), threads, "s" * (threads != 1)),
        )
        torch.set_num_threads(threads)


def threads_beside(others: float, *, cpus: int, most: int) -> int:
    """Return the number of threads that find a CPU each.

    Args:
        others: CPUs that other programs use on average.
        cpus: CPUs that this process may run on.
        most: CPUs that it may use at once.
    """
    return max(1, min(most, cpus - math.ceil(others - _NEGLIGIBLE)))


class _Usage:
    """CPU time spent so far on this process's CPUs by everything but it and its descendants, in seconds."""

    def __init__(self) -> None:
        every = psutil.cpu_times(percpu=True)
        self.cpus = sorted(cpu for cpu in os.sched_getaffinity(0) if cpu < len(every)) or list(range(len(every)))
        # Time stolen by other virtual machines counts as others'; a guest's is in user time already.
        busy = sum(
            sum((times.user, times.nice, times.system, times.irq, times.softirq, times.steal))
            for times in (every[cpu] for cpu in self.cpus)
        )
        self.others = busy - _tree_seconds()


def _tree_seconds() -> float:
    """Return the CPU time of this process, its descendants, and those of them that have exited."""
    total = 0.0
    root = psutil.Process()
    for process in [root, *root.children(recursive=True)]:
        try:
            total += sum(process.cpu_times()[:4])  # own and exited children's, user and system
        except psutil.NoSuchProcess:
            continue
    return total
