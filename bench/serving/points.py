"""What samples come to: a rate, and latencies at the median and beyond which one in a hundred is."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.serving.load import Samples


def seconds_per_answer(samples: Samples) -> float:
    """Of a closed loop; infinite where nothing was answered 200."""
    # The last one begins the time that follows: see `closed_loop`.
    good = samples.status[:-1].count(200)
    return (samples.end[-1] - samples.end[0]) / good if good else float("inf")


@dataclass
class Latencies:
    """Of all rounds of one point."""

    seconds: list[float] = field(default_factory=list)
    """Of answers with status 200."""
    others: int = 0
    """Answers with another status, or none."""

    def add(self, samples: Samples) -> None:
        """Those of one more round."""
        good = [
            end - start for start, end, status in zip(samples.start, samples.end, samples.status, strict=True)
            if status == 200
        ]  # fmt: skip
        self.seconds += good
        self.others += len(samples.status) - len(good)

    def milliseconds(self, percent: float) -> float | None:
        """The percentile; None where there is no latency."""
        return percentile_ms(self.seconds, percent)


def percentile_ms(seconds: Sequence[float], percent: float) -> float | None:
    """In milliseconds; None of nothing."""
    return round(1000 * float(np.percentile(seconds, percent)), 2) if seconds else None
