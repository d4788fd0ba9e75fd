"""Checks that memory stays flat: a million requests from 32 clients, and the memory of each part of the server.

    python -m bench.flood [--requests 1000000] [--json FILE]

A small network and thumbnails keep the run short. Every sixteenth body is not a picture. All requests must be answered
200, or 422 for those, by the same processes.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.telling import tell

_CLIENTS = 32
_STEP_S = 5.0
_PICTURES = 15
_SIDE = 32
_TOLD_EVERY = 20

Reading = tuple[int, dict[str, float]]
"""Number of requests so far, and megabytes of resident memory by part."""


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    from PIL import Image

    from bench.serving import ours
    from bench.serving.load_process import LoadProcess
    from bench.serving.monitor import resident
    from bench.serving.server import Server, StartError
    from bench.serving.workload import Workload
    from container.processes import adopt_orphans, kill_descendants

    adopt_orphans()
    with ExitStack() as stack:
        stack.callback(kill_descendants)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slipway-bench-")))
        workload = Workload.make(folder, "resnet18", _SIDE, pictures=16, kept=None, told=tell)
        bodies = [folder / f"{number}.jpg" for number in range(_PICTURES)]
        for body, picture in zip(bodies, workload.pictures, strict=False):
            Image.open(picture).resize((_SIDE, _SIDE)).save(body)
        bodies.append(folder / "none.jpg")
        bodies[-1].write_bytes(b"no picture")
        launch = replace(ours.launch(workload), bodies=bodies)
        server = Server(launch, folder)
        stack.callback(server.stop)
        try:
            server.await_ready()
        except StartError as error:
            sys.exit(f"bench.flood: {error}")
        load = stack.enter_context(LoadProcess())
        statuses: Counter[int] = Counter()
        readings: list[Reading] = []
        parts = ours.processes_of(server)
        while statuses.total() < given.requests:
            samples = load.closed(launch.target, concurrency=_CLIENTS, warm_s=0, seconds=given.step)
            statuses.update(samples.status)
            readings.append((statuses.total(), {part: sum(map(resident, pids)) / 1e6 for part, pids in parts.items()}))
            if len(readings) % _TOLD_EVERY == 0:
                tell(f"{statuses.total()} requests; {_told(readings[-1][1])}")
    result = {
        "requests": statuses.total(),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        **{f"memory_{part.replace(' ', '_')}_mb": [round(held[part], 1) for _, held in readings] for part in parts},
        "after": [done for done, _ in readings],
    }
    print(_table(readings, statuses))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")
    if set(statuses) - {200, 422}:
        sys.exit("bench.flood: requests have failed; see the statuses above")


def _told(held: dict[str, float]) -> str:
    return ", ".join(f"{part} {size:.0f} MB" for part, size in held.items())


def _table(readings: Sequence[Reading], statuses: Counter[int]) -> str:
    """Format the memory after 1 %, 10 %, 50 % and all of the requests."""
    total = readings[-1][0]
    lines = [f"{'resident memory, MB, after':28}" + "".join(f"{part:>14}" for part in readings[0][1])]
    for share in (0.01, 0.1, 0.5, 1.0):
        done, held = next(reading for reading in readings if reading[0] >= share * total)
        lines.append(f"{done:>18} requests " + "".join(f"{size:14.1f}" for size in held.values()))
    return "\n".join([*lines, "statuses: " + ", ".join(f"{status}: {count}" for status, count in statuses.items())])


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.flood", description="Check that memory stays flat over a million requests."
    )
    parser.add_argument("--requests", type=int, default=1_000_000, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--step", type=float, default=_STEP_S, metavar="S", help="seconds between two measurements; default: 5"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
