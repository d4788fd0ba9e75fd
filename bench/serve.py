"""Measures how fast serving is, in ratios to decoding and computing without a server, and to other servers.

    python -m bench.serve [--json FILE]

All servers hold the same ResNet-50 with 133 classes, have the same cores, and answer the same JPEG photographs. Each
must name the right class before it is measured. In every round each server is asked at each concurrency by that many
clients, each waiting for its answer, while the other servers are stopped (SIGSTOP). A ratio is the median over the
rounds.

The limit is our decoding and our engine in one process without HTTP, its threads decoding one batch while another is
in the network. The seed project's handler runs under unmodified sagemaker-inference and multi-model-server. LitServe
runs once with our decoding and engine, and once as its users write it; Triton, if `docker/venv.sh triton` has installed
it, runs with our decoding and engine, and TorchServe as its users write it.
`front_cost` is one minus the ratio of our requests/s through the front to those of the same requests sent directly to
multi-model-server, in the front's form. `p99_over_p50_at_80` is from an open loop: requests are sent at fixed times, at
80 % of the rate reached with 32 clients, and latencies count from those times. At half of its own rate, each server is
also asked beside a program that keeps one CPU busy.

With `--int8` ours, its limit, and LitServe and Triton with our engine have an INT8 graph, and ours runs without it too.
"""

import argparse
import json
import math
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.arguments import positive
from bench.serve_results import SIDES
from bench.telling import tell

if TYPE_CHECKING:
    from bench.serving.load import Target
    from bench.serving.load_process import LoadProcess
    from bench.serving.server import Server
    from bench.serving.workload import Workload

CONCURRENCIES = (1, 8, 32, 128)
_LOAD = 0.8
_WARM_S = 1.0
_OTHERS = [side for side in SIDES if side not in ("ours", "float")]


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    import torch

    from bench.machine import describe
    from bench.rounds import measure
    from bench.serve_results import at_80, name_of, results, table
    from bench.serving import ours
    from bench.serving.half_load import half_load
    from bench.serving.limit_process import LimitProcess
    from bench.serving.load_process import LoadProcess
    from bench.serving.points import Latencies, seconds_per_answer
    from bench.serving.server import StartError
    from bench.serving.workload import Workload
    from container.cpus import available_cpus
    from container.processes import adopt_orphans, kill_descendants

    if given.int8:
        from container.graph.cpu_features import has_int8_products

        if not has_int8_products():
            sys.exit(
                "bench.serve: --int8: this CPU has no 8-bit dot products (VNNI, AMX), so that ours would not use it"
            )
    adopt_orphans()
    # SIGTERM too must leave nothing running.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    wanted = [side for side in _OTHERS if given.only is None or side in given.only]
    front_at = 32 if 32 in given.concurrency else max(given.concurrency)
    with ExitStack() as stack:
        stack.callback(kill_descendants)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-bench-")))
        try:
            workload = Workload.make(
                folder, given.model, given.image_size, pictures=given.pictures, kept=given.directory, told=tell,
                int8=given.int8,
            )  # fmt: skip
        except ValueError as error:
            sys.exit(f"bench.serve: {error}")
        load = stack.enter_context(LoadProcess())
        sides = ["ours", *(["float"] if given.int8 else []), *wanted]
        servers, starts, left_out = _start(sides, workload, given.starts, stack)
        mine = servers["ours"]
        latencies: dict[str, Latencies] = {}
        what: dict[str, Callable[[], float]] = {}

        def point(name: str, server: "Server", target: "Target", concurrency: int, each: int = 1) -> None:
            """`each`: pictures in a request."""
            latencies[name] = Latencies()

            def ask() -> float:
                clients = max(1, concurrency // each)
                with server.thawed():
                    samples = load.closed(target, concurrency=clients, warm_s=given.warm, seconds=given.seconds)
                latencies[name].add(samples)
                of_one = seconds_per_answer(samples) / each
                tell(f"{name}: {1 / of_one:.1f} requests/s")
                return of_one

            what[name] = ask

        # What is compared runs one after the other.
        for concurrency in given.concurrency:
            if concurrency == front_at and "limit" in wanted:
                limit = stack.enter_context(LimitProcess(workload))
                what["limit"] = partial(limit.seconds_per_picture, given.seconds)
            for side, server in servers.items():
                point(name_of(side, concurrency), server, server.launch.target, concurrency)
                if side == "ours" and concurrency == front_at and "without_front" in wanted:
                    try:
                        with mine.thawed():
                            target, each = ours.without_front(mine, workload)
                        point(name_of("without_front", front_at), mine, target, front_at, each)
                    except StartError as error:
                        left_out.append(str(error))
        seconds = measure(what, given.rounds, tell)
        result: dict[str, Any] = {
            **results(seconds, latencies, given.concurrency, front_at, available_cpus()),
            **_open_loop(load, mine, 1 / statistics.median(seconds[name_of("ours", front_at)]), given, at_80),
            **half_load(
                load,
                servers,
                _rates(seconds, {side: name_of(side, front_at) for side in servers}),
                warm_s=given.warm,
                seconds=given.rounds * given.seconds,
                told=tell,
            ),
            "engine": ours.engine_of(mine),
            "device": describe(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
            "model": given.model,
            "image_size": given.image_size,
            "batch_size": ours.BATCH_SIZE,
            "picture_kb": round(workload.mean_bytes / 1000, 1),
            "concurrencies": given.concurrency,
            "rounds": given.rounds,
            "seconds": given.seconds,
            **starts,
            "left_out": left_out,
        }
        for server in servers.values():
            server.stop()
    print(table(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


def _start(
    wanted: Sequence[str], workload: "Workload", times: int, stack: ExitStack
) -> tuple[dict[str, "Server"], dict[str, float], list[str]]:
    """Start each server several times while nothing else runs, and leave it frozen after the last time.

    Returns:
        The servers, the medians of their start times, and a line about each that did not start.
    """
    from bench.serving import ours
    from bench.serving.rivals import RIVALS
    from bench.serving.server import Server, StartError

    servers: dict[str, Server] = {}
    result: dict[str, float] = {}
    left_out = []
    for name in wanted:
        if name not in ("ours", "float", *RIVALS):
            continue
        taken = []
        server = None
        try:
            for last in [False] * (times - 1) + [True]:
                launch = RIVALS[name](workload) if name in RIVALS else ours.launch(workload, name)
                server = Server(launch, workload.folder)
                stack.callback(server.stop)
                taken.append(server.await_ready())
                if last:
                    server.check(workload)
                    server.freeze()
                    servers[name] = server
                else:
                    server.stop()
        except StartError as error:
            if server:
                server.stop()
            if name not in RIVALS:
                sys.exit(f"bench.serve: {error}")
            tell(f"left out: {error}")
            left_out.append(str(error))
            continue
        result[f"{name}_ping_s"] = round(statistics.median(start.ping_s for start in taken), 3)
        result[f"{name}_prediction_s"] = round(statistics.median(start.prediction_s for start in taken), 3)
        tell(f"started {SIDES[name]}: {result[f'{name}_prediction_s']:.1f} s to the first prediction")
    return servers, result, left_out


def _rates(seconds: Mapping[str, Sequence[float]], points: Mapping[str, str]) -> dict[str, float]:
    """Compute the median requests per second of each side that answered, by the names of their points."""
    medians = {side: statistics.median(seconds[point]) for side, point in points.items()}
    return {side: 1 / median for side, median in medians.items() if math.isfinite(median)}


def _open_loop(
    load: "LoadProcess",
    server: "Server",
    rate: float,
    given: argparse.Namespace,
    summary: Callable[..., dict[str, Any]],
) -> dict[str, Any]:
    """Run the open loop at 80 % of our rate, for as long as all rounds of a point take."""
    from bench.serving.load import Spacing
    from bench.serving.points import Latencies

    even, random = Latencies(), Latencies()
    length = given.rounds * given.seconds
    both: list[tuple[Spacing, Latencies]] = [("even", even), ("random", random)]
    for spacing, latencies in both:
        with server.thawed():
            samples = load.open(
                server.launch.target, rate=_LOAD * rate, warm_s=given.warm, seconds=length, spacing=spacing
            )  # fmt: skip
        latencies.add(samples)
        tell(f"open loop, {spacing}: {len(samples.status)} requests")
    return summary(even, random, _LOAD * rate)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.serve",
        description="Measure how fast serving is, in ratios to no server at all and to other servers.",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write the results to this file, as a flat object"
    )
    parser.add_argument("--rounds", type=positive, metavar="N", help="default: 5")
    parser.add_argument("--seconds", type=float, metavar="S", help="length of each point in a round; default: 5")
    parser.add_argument("--starts", type=positive, metavar="N", help="timed starts of each server; default: 3")
    parser.add_argument("--concurrency", type=positive, nargs="+", metavar="N", help="clients; default: 1 8 32 128")
    parser.add_argument(
        "--only", nargs="*", choices=_OTHERS, metavar="RIVAL", help=f"compare only with these: {', '.join(_OTHERS)}"
    )
    parser.add_argument("--model", help="default: resnet50")
    parser.add_argument("--image-size", type=positive, metavar="PIXELS", help="default: 224")
    parser.add_argument("--int8", action="store_true", help="serve an INT8 graph, and compare it with ours without it")
    parser.add_argument("--pictures", type=positive, default=128, metavar="N", help="different bodies; default: 128")
    parser.add_argument(
        "--directory", type=Path, help="where to keep generated pictures for reuse; default: the temporary directory"
    )
    parser.add_argument(
        "--quick", action="store_true", help="use a small network and 1 and 8 clients, only to see that it works"
    )
    given = parser.parse_args(arguments)
    quick, usual = ("resnet18", 32, 1, 0.5, 1, [1, 8]), ("resnet50", 224, 5, 5.0, 3, list(CONCURRENCIES))
    names = ("model", "image_size", "rounds", "seconds", "starts", "concurrency")
    for name, value in zip(names, quick if given.quick else usual, strict=True):
        if getattr(given, name) is None:
            setattr(given, name, value)
    given.warm = 0.1 if given.quick else min(_WARM_S, given.seconds)
    return given


if __name__ == "__main__":
    main()
