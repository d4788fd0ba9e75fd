"""The number of threads that a step on a CPU uses, fewer where other programs use the same CPUs."""

import logging
import math
import time

import psutil  # type: ignore[import-untyped]
import torch

from container.cpus import available_cpus, threads_asked_for
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.machine_time import machine_seconds

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
            self._at, self._others_s = time.monotonic(), _others_seconds()[0]

    def adapt(self) -> None:
        """Set the number of threads by what was free since the last look, some seconds ago at least. Call it before a
        step, from the thread that computes."""
        if not self._adapts or (elapsed := time.monotonic() - self._at) < _EVERY_S:
            return
        before, (self._others_s, cpus), self._at = self._others_s, _others_seconds(), self._at + elapsed
        others = max(0.0, self._others_s - before) / elapsed
        threads = threads_beside(others, cpus=cpus, most=self._most)
        if threads == torch.get_num_threads():
            return
        logger.info(
            "other programs use %.1f of %d CPUs: steps take %d thread%s from now on (OMP_NUM_THREADS fixes the number)",
            *(others, cpus, threads, "s" * (threads != 1)),
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


def _others_seconds() -> tuple[float, int]:
    """Return the CPU time that others than this process and its descendants have used of its CPUs, and their number.

    Others are also the virtual machines to which a hypervisor gave time.
    """
    used, cpus = machine_seconds(stolen=True)
    root = psutil.Process()
    for process in [root, *root.children(recursive=True)]:
        try:
            used -= sum(process.cpu_times()[:4])  # own and exited children's, user and system
        except psutil.NoSuchProcess:
            continue
    return used, cpus
