"""Summarises samples: rates and latency percentiles."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.serving.load import Samples


def seconds_per_answer(samples: Samples) -> float:
    """Compute a closed loop's seconds per answer; infinite if nothing was answered 200."""
    # The last answer belongs to the time that follows (see `closed_loop`).
    good = samples.status[:-1].count(200)
    return (samples.end[-1] - samples.end[0]) / good if good else float("inf")


@dataclass
class Latencies:
    """Latencies of all rounds of a point."""

    seconds: list[float] = field(default_factory=list)
    """Latencies of answers with status 200."""
    others: int = 0
    """Answers with another status, or none."""

    def add(self, samples: Samples) -> None:
        """Add another round."""
        good = [
            end - start for start, end, status in zip(samples.start, samples.end, samples.status, strict=True)
            if status == 200
        ]  # fmt: skip
        self.seconds += good
        self.others += len(samples.status) - len(good)

    def milliseconds(self, percent: float) -> float | None:
        """Compute a percentile; None without latencies."""
        return percentile_ms(self.seconds, percent)


def percentile_ms(seconds: Sequence[float], percent: float) -> float | None:
    """Compute a percentile in milliseconds; None without values."""
    return round(1000 * float(np.percentile(seconds, percent)), 2) if seconds else None
