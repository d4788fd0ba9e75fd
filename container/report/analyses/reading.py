"""What the DataLoader workers, or without them the training process, wait for while they read pictures."""

from dataclasses import dataclass

from container.report.analyses.samples import LEAST, pooled
from container.report.profile_record import Profile

DISK = 30
"""Percent of the readers' time, ours."""


@dataclass(frozen=True, kw_only=True)
class DiskWait:
    """The readers' waits for the disk."""

    share: float
    """Share of the readers' time, from 0 to 1."""
    times_as_fast: float
    """How fast the loop would be if the disk took no time."""

    @property
    def decides(self) -> bool:
        """Whether the disk is what the loop waits for."""
        return 100 * self.share > DISK and self.times_as_fast > 1.1


def disk_wait(profile: Profile) -> DiskWait | None:
    """Compute what the disk costs the loop; None if the readers were not sampled, or not often enough."""
    readers = pooled(profile.in_training("process", "DiskWaitPercentage", "readers" if profile.workers else "trainer"))
    steps = profile.first.usual if profile.first else None
    if len(readers) < LEAST or steps is None or not steps.phases:
        return None
    share = min(0.97, float(readers.mean()) / 100)
    data = steps.share("data")
    # With workers, a batch is read while the one before it is computed; without, nothing overlaps.
    left = max(1 - data, 1 - share) if profile.workers else 1 - min(share, data)
    return DiskWait(share=share, times_as_fast=1 / max(left, 0.03))
