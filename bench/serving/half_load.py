"""Latencies at half of each server's own rate, on quiet CPUs and beside a program that keeps one of them busy."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from bench.neighbour import running
from bench.serving.load_process import LoadProcess
from bench.serving.points import Latencies
from bench.serving.server import Server

_LOAD = 0.5
_FEWEST = 10
"""Requests that are expected of the slowest server too."""


def half_load(
    load: LoadProcess,
    servers: Mapping[str, Server],
    rates: Mapping[str, float],
    *,
    warm_s: float,
    seconds: float,
    told: Callable[[str], None],
) -> dict[str, Any]:
    """Ask each server quietly and beside the program, with requests at random times.

    The times come from one seed and are scaled by the rate, so that all servers get the same bursts.

    Args:
        load: Sends the requests.
        servers: By name; frozen.
        rates: Requests per second that each answers at most, on quiet CPUs; those that are not named are not asked.
        warm_s: Warm-up before each, not in the latencies.
        seconds: Length of each, if that is enough for ten requests.
        told: Receives progress, as lines.

    Returns:
        By `NAME_half_WAY_WHAT`: the rate, and p50, p99 and the failed requests of both ways, `quiet` and `busy`.
    """
    found = {(name, busy): Latencies() for name in rates for busy in (False, True)}
    for (name, busy), latencies in found.items():
        server, rate = servers[name], _LOAD * rates[name]
        length = max(seconds, _FEWEST / rate)
        with server.thawed(), running() if busy else nullcontext():
            samples = load.open(server.launch.target, rate=rate, warm_s=warm_s, seconds=length, spacing="random")
        latencies.add(samples)
        told(f"half load, {name}{' beside a busy program' if busy else ''}: {len(samples.status)} requests")
    result: dict[str, Any] = {f"{name}_half_per_s": round(_LOAD * rate, 2) for name, rate in rates.items()}
    for (name, busy), latencies in found.items():
        way = f"{name}_half_{'busy' if busy else 'quiet'}"
        result[f"{way}_p50_ms"], result[f"{way}_p99_ms"] = latencies.milliseconds(50), latencies.milliseconds(99)
        result[f"{way}_failed"] = latencies.others
    return result
