"""What `bench.shared` compares, and its ratios."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Side:
    """One side of the comparison: a loop, and how its process is started."""

    words: str
    loop: str = "ours"
    threads: str = ""
    """OMP_NUM_THREADS; empty leaves it unset, `cpus` is the number of CPUs."""
    settings: tuple[tuple[str, str], ...] = ()
    one_cpu: bool = False

    def environment(self, cpus: int) -> dict[str, str]:
        """The variables that its process gets, on a machine of so many CPUs."""
        threads = str(cpus) if self.threads == "cpus" else self.threads
        return {**({"OMP_NUM_THREADS": threads} if threads else {}), **dict(self.settings)}


BASE = "one_cpu"
SIDES = {
    "ours": Side("ours"),
    "all_threads": Side("ours, a thread for each CPU", threads="cpus"),
    "all_threads_short": Side("the same, GOMP_SPINCOUNT=1000", threads="cpus", settings=(("GOMP_SPINCOUNT", "1000"),)),
    "all_threads_asleep": Side(
        "the same, OMP_WAIT_POLICY=PASSIVE", threads="cpus", settings=(("OMP_WAIT_POLICY", "PASSIVE"),)
    ),
    "one_thread": Side("ours, one thread", threads="1"),
    BASE: Side("ours on one CPU alone", one_cpu=True),
    "plain": Side("a plain loop", loop="plain"),
    "timm": Side("timm's loader and step", loop="timm"),
}
_OURS = ("all_threads", "all_threads_short", "all_threads_asleep", "one_thread")


def results(rates: Mapping[tuple[str, bool], Sequence[float]]) -> dict[str, Any]:
    """Compute medians over the rounds.

    Args:
        rates: Pictures per second, by side and whether a neighbour was busy.
    """
    ours = {busy: rates["ours", busy] for busy in (False, True)}
    # Of all rounds: the best of each round would mostly be the luckiest.
    best = max(_OURS, key=lambda name: statistics.median(rates[name, False]))
    peers = [max(many) for many in zip(*(rates[n, True] for n in ("plain", "timm") if (n, True) in rates), strict=True)]
    return {
        "images_per_s": {
            name: {
                "quiet": round(statistics.median(rates[name, False]), 2),
                "busy": round(statistics.median(rates[name, True]), 2) if (name, True) in rates else None,
            }
            for name in SIDES
            if (name, False) in rates
        },
        "busy_to_one_cpu": _ratio(ours[True], rates[BASE, False]),
        "best_setting": SIDES[best].words,
        "quiet_to_best_setting": _ratio(ours[False], rates[best, False]),
        "busy_to_best_peer": _ratio(ours[True], peers),
    }


def _ratio(these: Sequence[float], those: Sequence[float]) -> float:
    return round(statistics.median(one / other for one, other in zip(these, those, strict=True)), 3)


_RATIOS = {
    "busy_to_one_cpu": ("beside a busy program, to one CPU alone", "0.8"),
    "quiet_to_best_setting": ("quiet, to the best fixed setting", "0.95"),
    "busy_to_best_peer": ("beside a busy program, to the better of plain loop and timm", "1"),
}


def table(result: Mapping[str, Any]) -> str:
    """Format the results as text."""
    lines = [
        f"{result['model']}, {result['image_size']} px, batch {result['batch_size']}, {result['rounds']} rounds",
        str(result["device"]),
        "",
        f"{'images/s':42} {'quiet':>8} {'beside one':>11}",
    ]
    for name, rate in result["images_per_s"].items():
        busy = "" if rate["busy"] is None else f"{rate['busy']:11.1f}"
        lines.append(f"{SIDES[name].words:42} {rate['quiet']:8.1f} {busy}")
    lines += ["", f"{'ours':62} {'ratio':>6}  target"]
    lines += [f"{words:62} {result[name]:6.2f}  {target}" for name, (words, target) in _RATIOS.items()]
    return "\n".join(lines)
