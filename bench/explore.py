"""Measures what `slipway data explore` finds of faults that are planted, how long it takes, and its memory.

    python -m bench.explore [--data DIR | --scenes N [--small]] [--weights none] [--seeds N] [--quick]

Into a copy of a data set (the sample's handwritten digits by default), it plants near-duplicates of a fifth of the
pictures, equally many re-compressed, resized, cropped by a tenth, mirrored and brightened, and gives 5 % of the
pictures the label of another class. `slipway data explore --write` then runs on it as a process. `--scenes` makes
pictures like photographs in their statistics: clouds over the shading and colour of one of ten classes.

Of near-duplicates, a pair counts as found if it is listed, and as false if neither picture is a copy of the other. The
pictures of the data set may have near-duplicates of their own, which count as false.
"""

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.arguments import positive
from bench.planted_faults import CHANGES, SIZE, SMALL, Planted, plant, write_scenes
from bench.telling import tell
from container.cpus import available_cpus
from slipway.sample import write_sample

NEAR_DUPLICATES, WRONG_LABELS, PRECISION, SECONDS = 0.95, 0.80, 0.80, 180.0
"""The targets: recall of both, precision of the labels, and the time for 8,000 pictures."""


@dataclass(frozen=True)
class Measured:
    """What was found of one planting."""

    pictures: int
    seconds: float
    cpu_seconds: float
    """CPU time of all processes, which other programs on the machine do not change much."""
    peak_mb: float
    """Peak memory of the largest process."""
    copies: dict[str, float]
    """Share of the near-duplicates found, by change."""
    copies_precision: float
    labels_recall: float
    labels_precision: float

    @property
    def copies_recall(self) -> float:
        return sum(self.copies.values()) / len(self.copies)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.explore", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder of class folders, whose labels are right")
    parser.add_argument("--scenes", type=positive, metavar="N", help="N pictures of clouds in ten classes")
    parser.add_argument("--small", action="store_true", help="scenes of 64 x 48 pixels instead of 320 x 240")
    parser.add_argument("--weights", default="", metavar="FILE", help="of the network; none: pixels only")
    parser.add_argument("--seeds", type=positive, default=3, metavar="N", help="plantings; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="240 scenes, without a network, to see that it works")
    options = parser.parse_args(arguments)
    if options.quick:
        options.scenes, options.weights, options.seeds = 240, "none", 1
    found = []
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as scratch:
        source = _source(options, Path(scratch, "source"))
        for seed in range(options.seeds):
            folder = Path(scratch, f"planted-{seed}")
            planted = plant(source, folder, seed)
            tell(f"planted {len(planted.copies)} near-duplicates and {len(planted.labels)} wrong labels")
            found.append(_explore(folder, planted, options.weights))
    _show(found)


def _source(options: argparse.Namespace, folder: Path) -> Path:
    if options.data:
        return Path(options.data)
    if options.scenes:
        write_scenes(folder, options.scenes, SMALL if options.small else SIZE)
    else:
        write_sample(folder)
    return folder


def _explore(folder: Path, planted: Planted, weights: str) -> Measured:
    listing = folder.parent / f"{folder.name}.csv"
    command = [sys.executable, "-m", "slipway", "data", "explore", str(folder), "--write", str(listing)]
    command += ["--output", str(folder.parent / "page.html"), *([f"--weights={weights}"] if weights else [])]
    started, used = time.perf_counter(), _cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds, used = time.perf_counter() - started, _cpu_seconds() - used
    if done.returncode:
        sys.exit(f"slipway data explore ended with exit code {done.returncode}: {done.stderr.strip()}")
    for line in done.stdout.splitlines():
        tell(f"  {line}")
    with listing.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    pairs = {frozenset((row["suspect"], row["like"])) for row in rows if row["kind"] in ("near-duplicate", "duplicate")}
    right = {kind: [pair in pairs for pair, change in planted.copies.items() if change == kind] for kind in CHANGES}
    labels = {row["suspect"] for row in rows if row["kind"] == "wrong-label"}
    return Measured(
        pictures=planted.pictures,
        seconds=seconds,
        cpu_seconds=used,
        peak_mb=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
        copies={kind: sum(hits) / max(1, len(hits)) for kind, hits in right.items()},
        copies_precision=len(pairs & planted.copies.keys()) / max(1, len(pairs)),
        labels_recall=len(labels & planted.labels) / max(1, len(planted.labels)),
        labels_precision=len(labels & planted.labels) / max(1, len(labels)),
    )


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def _show(found: Sequence[Measured]) -> None:
    def mean(value: Callable[[Measured], float]) -> float:
        return sum(map(value, found)) / len(found)

    pictures = found[0].pictures
    print(f"{pictures:,} pictures, {available_cpus()} CPUs, means of {len(found)} plantings")
    for kind in CHANGES:
        share = sum(each.copies[kind] for each in found) / len(found)
        print(f"near-duplicates, {kind:14}{100 * share:7.1f} % found")
    copies, labels = mean(lambda each: each.copies_recall), mean(lambda each: each.labels_recall)
    precision, seconds = mean(lambda each: each.labels_precision), mean(lambda each: each.seconds)
    rows = [
        ("near-duplicates found", f"{100 * copies:.1f} %", copies >= NEAR_DUPLICATES, f"{100 * NEAR_DUPLICATES:g} %"),
        ("wrong labels found", f"{100 * labels:.1f} %", labels >= WRONG_LABELS, f"{100 * WRONG_LABELS:g} %"),
        ("of those listed, wrong", f"{100 * precision:.1f} %", precision >= PRECISION, f"{100 * PRECISION:g} %"),
        ("seconds", f"{seconds:.1f}", seconds <= SECONDS, f"{SECONDS:g} for 8,000 pictures on 2 CPUs"),
    ]
    for name, value, holds, target in rows:
        print(f"{name:31}{value:>9}  target {target}: {'holds' if holds else 'MISSED'}")
    print(f"{'seconds of a CPU':32}{mean(lambda each: each.cpu_seconds):6.0f} s")
    print(f"{'of those listed, near-duplicates':32}{100 * mean(lambda each: each.copies_precision):6.1f} %")
    print(f"{'peak memory of a process':32}{max(each.peak_mb for each in found):6.0f} MB")


if __name__ == "__main__":
    main()
