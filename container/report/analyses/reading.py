"""What the DataLoader workers, or without them the training process, wait for while they read pictures."""

from dataclasses import dataclass

from container.report.analyses.samples import LEAST, pooled
from container.report.profile_record import Profile

DISK = 30
"""Percent of the time that reading takes, ours."""

_WORTHWHILE = 1.05
"""Times as fast without waits for the disk; what gains less is not blamed on it."""

_READERS_DECIDE = 0.05
"""Share of the loop that waits for data, from which on the DataLoader workers decide how fast it is."""


@dataclass(frozen=True, kw_only=True)
class DiskWait:
    """The readers' waits for the disk."""

    share: float
    """Share of the time that reading takes, from 0 to 1; the rest is decoding and waits for anything else."""
    times_as_fast: float
    """How fast the loop would be if the disk took no time."""

    @property
    def decides(self) -> bool:
        """Whether the disk is what the loop waits for."""
        return 100 * self.share > DISK and self.times_as_fast > _WORTHWHILE


def readers_decide(profile: Profile) -> bool:
    """Whether batches come as fast as DataLoader workers read them, so that computing them sooner gains nothing."""
    return bool(profile.workers and profile.first and profile.first.usual.share("data") >= _READERS_DECIDE)


def disk_wait(profile: Profile) -> DiskWait | None:
    """Compute what the disk costs the loop; None if the readers were not sampled, or not often enough."""
    readers = pooled(profile.in_training("process", "DiskWaitPercentage", "readers" if profile.workers else "trainer"))
    steps = profile.first.usual if profile.first else None
    if len(readers) < LEAST or steps is None or not steps.phases:
        return None
    share = min(0.97, float(readers.mean()) / 100)
    data = steps.share("data")
    if profile.workers:
        # A batch is read while the one before it is computed.
        return DiskWait(share=share, times_as_fast=1 / max(1 - data, 1 - share, 0.03))
    # Reading and computing alternate, and the process was sampled in both.
    waited = min(_off_the_cpu(profile, share), data)
    return DiskWait(share=waited / max(data, 1e-9), times_as_fast=1 / max(1 - waited, 0.03))


def _off_the_cpu(profile: Profile, disk: float) -> float:
    """Refine the share of the time that the training process waited for the disk.

    How long it neither ran nor waited for a CPU is known exactly; samples, which are few, then only divide that time
    between the disk and other waits.

    Args:
        profile: Of a job without DataLoader workers.
        disk: Share of the samples that found it waiting for the disk.
    """
    asleep, ran, ready = (
        pooled(profile.in_training("process", dimension, "trainer"))
        for dimension in ("SleepPercentage", "CPUUtilization", "CPUWaitPercentage")
    )
    if not (len(asleep) and len(ran) and len(ready)):
        return disk
    off = max(0.0, 1 - float(ran.mean() + ready.mean()) / 100)
    return off * disk / max(disk + float(asleep.mean()) / 100, 1e-9)
