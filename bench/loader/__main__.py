"""Measures how fast pictures are loaded, without training: ours from files, tar shards and cache, beside other loaders.

    python -m bench.loader [--json FILE]

Every loader decodes, crops at random, resizes, flips and normalises the same generated JPEGs, in this process, on one
core: no DataLoader workers and one thread. It has its own way of doing so; see `bench/loader/contenders.py`. Speed is
pictures per second of CPU time, which other programs on the machine affect little; waiting for the disk is not part of
it. Each loader first runs once, which is not timed and shows that it gives every picture once; then all take turns in
each round. A ratio is the median over the rounds. A library that is not installed is left out, with a line that says
so. At the end, it measures what listing pictures costs, in class folders and in tar shards.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.arguments import positive
from bench.cpu_time import cpu_seconds_of
from bench.rounds import Ratios, measure, ratios
from bench.telling import tell

if TYPE_CHECKING:
    from bench.loader.contenders import Batches, Epoch, Task

_QUICK = {"pictures": 8, "batch_size": 4, "image_size": 32, "rounds": 1, "listed": 100}


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        result = _measure(given, Path(folder))
    print(table(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


def _measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    from bench.picture_set import PictureSet
    from bench.pictures import picture_folder

    everything = PictureSet.of_folder(picture_folder(given.pictures, seed=0, directory=given.directory, told=tell))
    # Some loaders drop a last batch that is smaller.
    pictures, _ = everything.split(given.pictures // given.batch_size * given.batch_size, seed=0)
    _use_one_core()

    import torch

    from bench.loader.contenders import Task
    from bench.loader.listing import listing, pack
    from bench.machine import describe

    torch.set_num_threads(1)
    packed = [(sample.path.read_bytes(), sample.target) for sample in pictures.samples]
    pack(packed, folder / "packed", per_shard=given.batch_size)
    task = Task(
        pictures=pictures,
        channels=folder / "packed",
        folder=folder,
        size=given.image_size,
        batch_size=given.batch_size,
    )
    epochs = _epochs(task)
    loads = {name: partial(_cpu_seconds_a_picture, epoch, len(pictures)) for name, epoch in epochs.items()}
    seconds = measure(loads, given.rounds, tell)
    return {
        "device": describe(torch.device("cpu")),
        "pictures": len(pictures),
        "picture_kb": round(pictures.mean_bytes / 1000, 1),
        "image_size": given.image_size,
        "batch_size": given.batch_size,
        "rounds": given.rounds,
        "loaders": results(seconds),
        "listed": given.listed,
        "listing": listing(given.listed, given.rounds, folder / "listed", tell),
    }


def _use_one_core() -> None:
    core = max(os.sched_getaffinity(0))
    # The call is for a thread; those that libraries have started already inherited all cores.
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def _epochs(task: "Task") -> dict[str, "Epoch"]:
    """Make the loaders whose libraries are installed, and run each once."""
    from bench.loader.contenders import CONTENDERS

    epochs: dict[str, Epoch] = {}
    for name, contender in CONTENDERS.items():
        try:
            epochs[name] = contender.make(task)
        except ImportError as error:
            if not contender.package:
                raise
            tell(f"left out: {contender.label}; {error}: pip install {contender.package}")
            continue
        except OSError as error:
            sys.exit(f"bench.loader: {contender.label}: {error}")
        _check(contender.label, epochs[name](), task)
        tell(f"warmed up: {contender.label}")
    return epochs


def _check(label: str, batches: "Batches", task: "Task") -> None:
    """Check that a loader gives every picture once, in the form that was asked for."""
    import torch

    found: Counter[int] = Counter()
    for pictures, targets in batches:
        shape = (task.batch_size, 3, task.size, task.size)
        if pictures.shape != shape or pictures.dtype != torch.float32:
            sys.exit(f"bench.loader: {label} gave {pictures.dtype} {tuple(pictures.shape)} instead of float32 {shape}")
        found.update(targets.tolist())
    # A class may have another index in shards: the pictures may have left one of the folder's classes out.
    wanted = Counter(sample.target for sample in task.pictures.samples)
    if sorted(found.values()) != sorted(wanted.values()):
        sys.exit(
            f"bench.loader: {label} gave {found.total()} pictures, or of other classes, instead of {wanted.total()}"
        )


def _cpu_seconds_a_picture(epoch: "Epoch", count: int) -> float:
    def load() -> None:
        for _ in epoch():
            pass

    return cpu_seconds_of(load) / count


def results(seconds: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Compute speeds and the ratios of ours to them, medians over the rounds.

    Args:
        seconds: CPU seconds per picture, by loader and round.
    """
    from bench.loader.contenders import CONTENDERS, OURS

    found: dict[str, Any] = {}
    for name, values in seconds.items():
        figures = {"pictures_per_cpu_s": Ratios([1 / one for one in values])}
        figures |= {f"{ours}_vs": ratios({name: values, ours: seconds[ours]}, ours)[name] for ours in OURS}
        found[name] = {"label": CONTENDERS[name].label}
        for figure, spread in figures.items():
            found[name][figure] = round(spread.median, 3)
            found[name][f"{figure}_quartiles"] = [round(edge, 3) for edge in spread.quartiles]
    return found


def table(result: Mapping[str, Any]) -> str:
    """Format the results as text."""
    lines = [
        f"{result['pictures']} JPEGs of {result['picture_kb']} kB, {result['image_size']} px, "
        f"batches of {result['batch_size']}, {result['rounds']} rounds, on one core",
        str(result["device"]),
        "",
        f"{'':44}{'pictures per CPU second':25}  how many times as fast ours is, from",
        f"{'':44}{'median':>8}  {'quartiles':15}{'files':>9}{'shards':>9}{'cache':>9}",
    ]
    for row in result["loaders"].values():
        low, high = row["pictures_per_cpu_s_quartiles"]
        ours = "".join(f"{row[name]:9.2f}" for name in ("files_vs", "shards_vs", "cache_vs"))
        lines.append(f"{row['label']:44}{row['pictures_per_cpu_s']:8.1f}  {f'{low:.1f} to {high:.1f}':15}{ours}")
    lines.append("")
    for name, words in (("files", "in class folders"), ("shards", "in tar shards")):
        cost = result["listing"][name]
        lines.append(
            f"listing {result['listed']} pictures {words}: {cost['cpu_us']} µs of CPU and {cost['bytes']} bytes of "
            "memory for each"
        )
    return "\n".join(lines)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.loader",
        description="Measure how fast pictures are loaded on one core: ours from JPEG files, tar shards and cache, "
        "torchvision, and timm, DALI, webdataset and MosaicML streaming where they are installed.",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    parser.add_argument("--pictures", type=positive, default=512, metavar="N", help="default: %(default)s")
    parser.add_argument("--image-size", type=positive, default=224, metavar="PIXELS", help="default: %(default)s")
    parser.add_argument("--batch-size", type=positive, default=64, metavar="N", help="default: %(default)s")
    parser.add_argument("--rounds", type=positive, default=7, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--listed", type=positive, default=10_000, metavar="N", help="pictures to list; default: %(default)s"
    )
    parser.add_argument(
        "--directory", type=Path, help="where to keep generated pictures for reuse; default: the temporary directory"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round of 8 pictures of 32 pixels: only checks that it runs"
    )
    given = parser.parse_args(arguments)
    if given.quick:
        vars(given).update(_QUICK)
    if given.pictures < max(4, given.batch_size):
        parser.error("--pictures must be at least 4, for two classes of two, and at least --batch-size")
    if given.listed < 2:
        parser.error("--listed must be at least 2, for two classes")
    return given


if __name__ == "__main__":
    main()
