"""Measures what importing each program of the images costs, in seconds and memory.

    python -m bench.start_up [--rounds 5]

Each round imports every program in a fresh interpreter; the figures are medians over the rounds. Python alone is the
lower bound.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence

PROGRAMS = {
    "Python alone": "os",
    "supervisor": "container.serve.supervisor.supervisor",
    "front": "container.serve.front.front_process",
    "worker": "container.serve.worker.service",
    "decoder": "container.serve.worker.decoder_process",
    "train launcher": "container.train.launcher",
    "slipway": "slipway.cli",
}

_CODE = """
import importlib, json, resource, sys, time
start = time.perf_counter()
importlib.import_module(sys.argv[1])
seconds = time.perf_counter() - start
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, len(sys.modules)]))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.start_up", description="Measure what importing each program costs."
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: %(default)s")
    rounds = parser.parse_args(arguments).rounds
    seen: dict[str, list[list[float]]] = {name: [] for name in PROGRAMS}
    for _ in range(rounds + 1):
        for name, module in PROGRAMS.items():
            done = subprocess.run([sys.executable, "-c", _CODE, module], capture_output=True, text=True, check=True)
            seen[name].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{'program':16}{'import, s':>12}{'memory, MB':>12}{'modules':>10}")
    for name, measured in seen.items():
        # Without the first round, which reads the files from disk.
        seconds, megabytes, modules = (statistics.median(column) for column in zip(*measured[1:], strict=True))
        print(f"{name:16}{seconds:12.2f}{megabytes:12.1f}{modules:10.0f}")


if __name__ == "__main__":
    main()
