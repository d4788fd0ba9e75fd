"""Measures how training throughput scales with processes, workers, picture size, batch size and model.

    python -m bench.scale [--json FILE]

Each table varies one setting; its rows take turns, an epoch each in every round. A ratio compares a row's images/s with
the first row's, as the median over the rounds.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.telling import tell


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    import torch

    from bench.machine import describe
    from bench.picture_set import PictureSet
    from bench.pictures import picture_folder
    from bench.scale_results import rows, table
    from bench.sweeps import measure_processes, measure_sweep, process_counts, sweeps
    from container.train.device import choose_device
    from container.train.launch.distributed import World
    from container.train.launch.hosts import Rank

    quick, on_gpu = given.quick, torch.cuda.is_available()
    base, fields = sweeps(quick=quick, on_gpu=on_gpu)
    count = given.pictures or (8 if quick else 6656 if on_gpu else 256)
    rounds = given.rounds or (1 if quick else 5)
    largest = max(map(int, fields["batch_size"]))
    if count < largest:
        sys.exit(f"bench.scale: {count} pictures are fewer than the largest batch, {largest}")
    folder = picture_folder(count, seed=base.seed, directory=given.directory, told=tell)
    everything = PictureSet.of_folder(folder)
    pictures, _ = everything.split(count // largest * largest, base.seed)
    result: dict[str, Any] = {
        "device": describe(choose_device(base, World(Rank())).torch_device),
        "model": base.model_type,
        "image_size": base.image_size,
        "batch_size": base.batch_size,
        "pictures": len(pictures),
        "rounds": rounds,
        "rows": [],
    }
    for field, values in fields.items():
        result["rows"] += rows(field, measure_sweep(pictures, base, field, values, rounds, tell))
    counts = process_counts(on_gpu=on_gpu)
    result["rows"] += rows("processes", measure_processes(pictures, base, counts, rounds, tell))
    print(table(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scale",
        description="Measure how training scales with processes, workers, picture size, batch size and model.",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    parser.add_argument("--quick", action="store_true", help="run a few tiny steps of each, only to see that it works")
    parser.add_argument(
        "--pictures", type=int, metavar="N", help="pictures per epoch; default: 6656 on a GPU, else 256"
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="default: 5")
    parser.add_argument(
        "--directory", type=Path, help="where to keep generated pictures for reuse; default: the temporary directory"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
