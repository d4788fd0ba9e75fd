"""Times things in rounds: each once per round, in rotating order, so that the machine's drift cancels."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Measure = Callable[[], float]
"""Runs once and returns seconds per step or per picture."""


@dataclass(frozen=True)
class Ratios:
    """Ratios to the baseline, one for each round."""

    of_rounds: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.of_rounds)

    @property
    def quartiles(self) -> tuple[float, float]:
        if len(self.of_rounds) < 2:
            return self.median, self.median
        low, _, high = statistics.quantiles(self.of_rounds, n=4, method="inclusive")
        return low, high


def measure(what: Mapping[str, Measure], rounds: int, told: Callable[[str], None]) -> dict[str, list[float]]:
    """Measure the seconds of everything, by name and round.

    Args:
        what: What to time, by name.
        rounds: How often to time each.
        told: Receives a line after each round.
    """
    names = list(what)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        turned = names[number % len(names) :] + names[: number % len(names)]
        for name in turned if number % 2 == 0 else reversed(turned):
            seconds[name].append(what[name]())
        told(f"round {number + 1} of {rounds}")
    return seconds


def ratios(seconds: Mapping[str, Sequence[float]], baseline: str) -> dict[str, Ratios]:
    """Compute each one's ratios to the baseline of the same round."""
    return {
        name: Ratios([one / base for one, base in zip(values, seconds[baseline], strict=True)])
        for name, values in seconds.items()
    }
