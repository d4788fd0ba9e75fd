"""Measures how fast training is on CPUs of which another program keeps one busy, and on quiet ones.

    python -m bench.shared [--json FILE]

Each side trains in a process of its own, quiet and beside a Python process in an endless loop, in turns. It first
trains for some seconds that do not count, in which ours sees its neighbour; then its pictures per second count. Ours is
what a job does by default: as many threads as other programs leave CPUs. Beside it, the same step with a fixed number
of threads, and with other settings of libgomp, torch's OpenMP; and the plain loop and timm's step of `bench.train`.
A ratio is the median over the rounds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.arguments import positive
from bench.neighbour import running
from bench.shared.results import BASE, SIDES, results, table
from bench.telling import tell
from container.cpus import available_cpus


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    cpus = available_cpus()
    if cpus < 2:
        sys.exit("bench.shared needs two CPUs at least: with one, a neighbour takes half of it whatever training does")
    sides = [name for name in SIDES if name != "timm" or find_spec("timm")]
    if "timm" not in sides:
        tell("left out: timm's step; timm is not installed")
    rates: dict[tuple[str, bool], list[float]] = {(name, busy): [] for name in sides for busy in (False, True)}
    del rates[BASE, True]
    described = ""
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as kept:
        for number in range(given.rounds):
            order = list(rates)[:: 1 if number % 2 == 0 else -1]
            for name, busy in order:
                with running() if busy else nullcontext():
                    measured = _measure(name, given, given.directory or Path(kept), cpus)
                rates[name, busy].append(measured["images_per_s"])
                described = described or measured["device"]
            tell(f"round {number + 1} of {given.rounds}")
    result = {
        "device": described,
        "model": given.model,
        "image_size": given.image_size,
        "batch_size": given.batch_size,
        "rounds": given.rounds,
        **results(rates),
    }
    print(table(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


def _measure(name: str, given: argparse.Namespace, pictures: Path, cpus: int) -> dict[str, Any]:
    side = SIDES[name]
    task = {
        "side": side.loop,
        "model": given.model,
        "image_size": given.image_size,
        "batch_size": given.batch_size,
        "pictures": given.pictures,
        "directory": str(pictures),
        "warm_up_s": given.warm_up,
        "seconds": given.seconds,
    }
    unset = {"OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    environment = {key: value for key, value in os.environ.items() if key not in unset}
    command = [sys.executable, "-m", "bench.shared.side", json.dumps(task)]
    done = subprocess.run(
        [*(["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))] if side.one_cpu else []), *command],
        env={**environment, **side.environment(cpus)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"bench.shared: {side.words} failed:\n{done.stderr[-3000:]}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.shared",
        description="Measure how fast training is beside a program that keeps one CPU busy, and on quiet CPUs.",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    parser.add_argument("--model", default="resnet50", help="default: %(default)s")
    parser.add_argument("--image-size", type=positive, default=64, metavar="PIXELS", help="default: %(default)s")
    parser.add_argument("--batch-size", type=positive, default=16, metavar="N", help="default: %(default)s")
    parser.add_argument("--pictures", type=positive, default=320, metavar="N", help="default: %(default)s")
    parser.add_argument("--directory", type=Path, help="where to keep generated pictures for reuse")
    parser.add_argument("--rounds", type=positive, default=3, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--warm-up", type=float, default=12, metavar="SECONDS", help="that do not count; default: %(default)s"
    )
    parser.add_argument(
        "--seconds", type=float, default=12, metavar="SECONDS", help="that count, at least; default: %(default)s"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
