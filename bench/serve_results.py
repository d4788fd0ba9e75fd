"""Turns `bench.serve`'s seconds per answer into ratios and a table."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.rounds import Ratios, ratios
from bench.serving.points import Latencies

SIDES = {
    "ours": "ours",
    "float": "ours, without INT8",
    "limit": "decode and forward in one process, no HTTP (the limit)",
    "seed": "the seed project's handler, multi-model-server",
    "litserve": "LitServe, our decoding and engine",
    "triton": "Triton, our decoding and engine",
    "litserve_plain": "LitServe, as its users write it",
    "torchserve": "TorchServe, as its users write it",
    "without_front": "ours, directly at multi-model-server",
}
"""Label of everything that is measured."""

_TARGETS = {"limit": "0.90 at 32", "seed": "4 on a CPU at 32", "litserve": "1", "triton": "1", "torchserve": "1"}
_MOST_AT_80 = 2.5
_FRONT_COST = 0.05

Seconds = Mapping[str, Sequence[float]]
"""Seconds per answer, by `name_of` a side at a concurrency, and by round."""


def name_of(side: str, concurrency: int | None = None) -> str:
    """Name a point; the limit has no clients."""
    return side if concurrency is None else f"{side}_c{concurrency}"


def results(
    seconds: Seconds, latencies: Mapping[str, Latencies], concurrencies: Sequence[int], front_at: int, cpus: int
) -> dict[str, Any]:
    """Compute ratios of requests/s as medians over the rounds, then rates and latencies.

    Args:
        seconds: What was measured.
        latencies: By the same names, without the limit.
        concurrencies: All of them.
        front_at: The concurrency at which ours was also measured without the front.
        cpus: CPUs that each side has.
    """
    result: dict[str, Any] = {
        "vs_limit_c32": None,
        "vs_seed_c32": None,
        **{f"vs_litserve_c{number}": None for number in (1, 8, 32, 128)},
        "front_cost": None,
    }
    for concurrency in concurrencies:
        for side in SIDES:
            name = side if side == "limit" else name_of(side, concurrency)
            if side == "ours" or name not in seconds:
                continue
            ratio = _ratio(seconds, name, name_of("ours", concurrency))
            if not math.isfinite(ratio.median):
                result[f"vs_{side}_c{concurrency}"] = None  # nothing was answered
                continue
            if side == "without_front":
                result["front_cost"] = round(1 - ratio.median, 4)
                result["front_cost_quartiles"] = sorted(round(1 - edge, 4) for edge in ratio.quartiles)
                continue
            result[f"vs_{side}_c{concurrency}"] = round(ratio.median, 4)
            result[f"vs_{side}_c{concurrency}_quartiles"] = [round(edge, 4) for edge in ratio.quartiles]
    result["front_cost_at"] = front_at
    if name_of("ours", front_at) in seconds:
        result["ours_per_cpu_per_s"] = round(1 / statistics.median(seconds[name_of("ours", front_at)]) / cpus, 2)
    for name, values in seconds.items():
        result[f"{name}_per_s"] = round(1 / statistics.median(values), 2)
    for name, of_name in latencies.items():
        result[f"{name}_p50_ms"], result[f"{name}_p99_ms"] = of_name.milliseconds(50), of_name.milliseconds(99)
        result[f"{name}_failed"] = of_name.others
    return result


def at_80(even: Latencies, random: Latencies, rate: float) -> dict[str, Any]:
    """Summarise the open loop at 80 % of our rate.

    Args:
        even: With requests at equal intervals.
        random: With requests at random intervals, as from independent clients.
        rate: Requests per second.
    """
    result: dict[str, Any] = {"at_80_per_s": round(rate, 2), "at_80_failed": even.others}
    for suffix, latencies in (("", even), ("_random", random)):
        p50, p99 = latencies.milliseconds(50), latencies.milliseconds(99)
        result[f"p99_over_p50_at_80{suffix}"] = round(p99 / p50, 3) if p50 and p99 else None
        result[f"at_80{suffix}_p50_ms"], result[f"at_80{suffix}_p99_ms"] = p50, p99
    return result


def table(result: Mapping[str, Any]) -> str:
    """Format the results as text."""
    lines = [
        f"{result['model']}, {result['image_size']} px, batches of {result['batch_size']}, "
        f"bodies of {result['picture_kb']} KB; engine {result['engine']}",
        f"{result['rounds']} rounds of {result['seconds']:g} s at each point",
        str(result["device"]),
    ]
    for concurrency in result["concurrencies"]:
        rows = [_row(result, side, concurrency) for side in SIDES]
        lines += [
            "",
            f"{_clients(concurrency):56} {'req/s':>8} {'p50 ms':>9} {'p99 ms':>9}  {'ours to it':>10}  "
            f"{'quartiles':16}  target",
            *filter(None, rows),
        ]
    lines += ["", _open_loop(result, "", "evenly"), _open_loop(result, "_random", "as independent clients come")]
    if result["front_cost"] is not None:
        low, high = result["front_cost_quartiles"]
        lines.append(
            f"front: {100 * result['front_cost']:.1f} % ({100 * low:.1f} to {100 * high:.1f}) of the requests/s with "
            f"{result['front_cost_at']} clients (target: {100 * _FRONT_COST:g} % at most)"
        )
    lines.append(f"ours, {result['front_cost_at']} clients: {result['ours_per_cpu_per_s']:.1f} requests/s per CPU")
    lines += ["", *_half_load(result), ""]
    for side, words in SIDES.items():
        if f"{side}_ping_s" in result:
            lines.append(
                f"{f'start of {words}':56} first 200 of the health check after {result[f'{side}_ping_s']:.2f} s, "
                f"first prediction after {result[f'{side}_prediction_s']:.2f} s"
            )
    lines += [f"left out: {reason}" for reason in result["left_out"]]
    return "\n".join(lines)


def _half_load(result: Mapping[str, Any]) -> list[str]:
    head = "at half of each one's own rate, at random times, quiet and beside a program that keeps one CPU busy"
    lines = [
        f"{head:104}", f"{'':56} {'req/s':>8} {'p50 ms':>9} {'p99 ms':>9} {'beside:':>9} {'p50 ms':>9} {'p99 ms':>9}"
    ]  # fmt: skip
    for side, words in SIDES.items():
        if f"{side}_half_per_s" not in result:
            continue
        ways = [
            " ".join(
                f"{'' if (value := result[f'{side}_half_{way}_{which}_ms']) is None else f'{value:.1f}':>9}"
                for which in ("p50", "p99")
            )
            for way in ("quiet", "busy")
        ]
        failed = sum(result[f"{side}_half_{way}_failed"] for way in ("quiet", "busy"))
        line = f"{words:56} {result[f'{side}_half_per_s']:8.1f} {ways[0]} {'':9} {ways[1]}"
        lines.append(line + (f"  ({failed} failed)" if failed else ""))
    return [line.rstrip() for line in lines]


def _ratio(seconds: Seconds, of: str, ours: str) -> Ratios:
    """Compute the ratio of our requests/s to a side's: its seconds per answer divided by ours."""
    return ratios({of: seconds[of], ours: seconds[ours]}, ours)[of]


def _row(result: Mapping[str, Any], side: str, concurrency: int) -> str:
    name = side if side == "limit" else name_of(side, concurrency)
    rate = result.get(f"{name}_per_s")
    if rate is None:
        return ""
    percentiles = [result.get(f"{name}_{which}_ms") for which in ("p50", "p99")]
    shown = " ".join(f"{'' if value is None else f'{value:.1f}':>9}" for value in percentiles)
    ratio = result.get(f"vs_{side}_c{concurrency}")
    line = f"{SIDES[side]:56} {rate:8.1f} {shown}"
    if ratio is not None:
        low, high = result[f"vs_{side}_c{concurrency}_quartiles"]
        line += f"  {ratio:10.3f}  {f'{low:.3f} to {high:.3f}':16}  {_TARGETS.get(side, '')}"
    if failed := result.get(f"{name}_failed"):
        line += f"  ({failed} failed)"
    return line.rstrip()


def _clients(concurrency: int) -> str:
    return f"{concurrency} client{'s' * (concurrency != 1)}"


def _open_loop(result: Mapping[str, Any], suffix: str, words: str) -> str:
    ratio = result[f"p99_over_p50_at_80{suffix}"]
    if ratio is None:
        return f"at 80 % of our rate, sent {words}: nothing was answered"
    target = f" (target: {_MOST_AT_80} at most)" if not suffix else ""
    return (
        f"at 80 % of our rate ({result['at_80_per_s']:.1f} requests/s), sent {words}: p50 "
        f"{result[f'at_80{suffix}_p50_ms']:.1f} ms, p99 {result[f'at_80{suffix}_p99_ms']:.1f} ms, "
        f"p99 over p50 {ratio:.2f}{target}"
    )
