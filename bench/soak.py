"""Checks that the server stays up for some minutes at 80 % load, while parts of it are killed.

    python -m bench.soak [--minutes 10] [--json FILE] [--page FILE]

Requests are sent at fixed times throughout. On a schedule set by a seed, the worker, multi-model-server and the front
are killed with SIGKILL, far more clients connect than the server holds, clients send slowly, and bodies are not
pictures. Requests may fail only while a part is down or there are too many clients, until some seconds after the server
has recovered; slow clients and bad pictures excuse no failure. The exit code is then 0, else 1.

A full disk is not among the faults: it needs a file system of its own, which not every machine lets its user mount.
"""

import argparse
import json
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.telling import tell

_LOAD = 0.8
_CLIENTS = 32
_QUICK_FAULTS = ("worker", "slow clients", "bad pictures")


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    import torch

    from bench.machine import describe
    from bench.serving import ours
    from bench.serving.faults import Fault, Faults, schedule
    from bench.serving.load import Samples
    from bench.serving.load_process import LoadProcess
    from bench.serving.monitor import Monitor
    from bench.serving.points import seconds_per_answer
    from bench.serving.server import Server, StartError
    from bench.serving.workload import Workload
    from bench.soak_page import render
    from bench.soak_results import results, table
    from container.processes import adopt_orphans, kill_descendants

    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with ExitStack() as stack:
        stack.callback(kill_descendants)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-bench-")))
        try:
            workload = Workload.make(
                folder, given.model, given.image_size, pictures=given.pictures, kept=given.directory, told=tell
            )
        except ValueError as error:
            sys.exit(f"bench.soak: {error}")
        load, burst = stack.enter_context(LoadProcess()), stack.enter_context(LoadProcess())
        server = Server(ours.launch(workload), folder)
        stack.callback(server.stop)
        try:
            server.await_ready()
            server.check(workload)
        except StartError as error:
            sys.exit(f"bench.soak: {error}")
        target = server.launch.target
        capacity = 1 / seconds_per_answer(
            load.closed(target, concurrency=_CLIENTS, warm_s=given.capacity_s / 5, seconds=given.capacity_s)
        )
        rate = given.rate or _LOAD * capacity
        tell(f"{capacity:.1f} requests/s at {_CLIENTS} clients; {rate:.1f} will be sent")
        found: list[Samples] = []
        not_over = folder / "not-over"
        not_over.touch()

        def send() -> None:
            found.append(load.open(target, rate=rate, warm_s=0, seconds=60 * given.minutes, while_there=str(not_over)))

        sender = threading.Thread(target=send)
        faults: list[Fault] = []
        inject = Faults(server, target.requests()[0], burst)
        with Monitor(server) as monitor:
            start = time.monotonic()
            sender.start()
            for at_s, kind in schedule(60 * given.minutes, given.faults, given.seed):
                time.sleep(max(0.0, start + at_s - time.monotonic()))
                tell(f"{time.monotonic() - start:.0f} s: {kind}")
                faults.append(inject.inject(kind, monitor.is_ready))
            not_over.unlink()
            sender.join()
            if server.exit_code is not None:
                faults[-1].problem = f"the server exited with code {server.exit_code}"
        samples = found[0]
        result: dict[str, Any] = {
            **results(samples, faults, monitor.pings, monitor.memory),
            "engine": ours.engine_of(server),
            "device": describe(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
            "model": given.model,
            "image_size": given.image_size,
            "minutes": given.minutes,
            "capacity_per_s": round(capacity, 2),
            "rate_per_s": round(rate, 2),
            "load_percent": round(100 * rate / capacity, 1),
            "seed": given.seed,
        }
    print(table(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")
    if given.page:
        given.page.write_text(render(result, samples, faults, monitor.memory), encoding="utf-8")
    if result["errors_outside_faults"] or result["problems"]:
        sys.exit(1)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    from bench.serving.faults import KINDS

    parser = argparse.ArgumentParser(
        prog="python -m bench.soak",
        description="Check that the server stays up at 80 % load while parts of it are killed and clients misbehave. "
        "Exits with 1 if a request failed outside of the faults.",
    )
    parser.add_argument("--minutes", type=float, metavar="N", help="default: 10")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write an HTML page with charts over time")
    parser.add_argument("--seed", type=int, default=0, help="seed of the fault schedule; default: %(default)s")
    parser.add_argument(
        "--faults", nargs="*", choices=KINDS, metavar="KIND", help=f"some of {', '.join(KINDS)}; default: all"
    )
    parser.add_argument("--rate", type=float, metavar="N", help="requests/s; default: 80 %% of the measured capacity")
    parser.add_argument("--model", help="default: resnet50")
    parser.add_argument("--image-size", type=int, metavar="PIXELS", help="default: 224")
    parser.add_argument("--pictures", type=int, default=64, metavar="N", help="different bodies; default: 64")
    parser.add_argument(
        "--directory", type=Path, help="where to keep generated pictures for reuse; default: the temporary directory"
    )
    parser.add_argument("--quick", action="store_true", help="use a small network, 15 seconds and few faults")
    given = parser.parse_args(arguments)
    quick, usual = ("resnet18", 64, 0.25, list(_QUICK_FAULTS), 1.0), ("resnet50", 224, 10.0, list(KINDS), 10.0)
    given.capacity_s = None
    names = ("model", "image_size", "minutes", "faults", "capacity_s")
    for name, value in zip(names, quick if given.quick else usual, strict=True):
        if getattr(given, name) is None:
            setattr(given, name, value)
    return given


if __name__ == "__main__":
    main()
