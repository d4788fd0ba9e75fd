"""Measures training with each of the tested networks: what loading costs a step, and what bf16 gains over float32.

    python -m bench.networks [--networks NAME,NAME] [--compile] [--json FILE]

The limit is our step on batches that are on the device already, in the precision that a job chooses; the ratio to it is
that of our images/s with cached pictures, loaded and augmented as in a job. float32 and bf16 are compared on batches
that are on the device. Everything runs once in each round, in turns, and a ratio is the median over the rounds. Steps
are those of the modern recipe. On a CPU, float32 and bf16 are compared by their CPU time, which other programs hardly
change. `--compile` also compares the step with the one that torch.compile makes of it, and tells how long that takes.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.arguments import positive
from bench.telling import tell

if TYPE_CHECKING:
    from bench.picture_set import PictureSet

NETWORKS = (
    "resnet50",
    "convnext_tiny",
    "convnextv2_nano",
    "efficientnet_b0",
    "tf_efficientnet_lite0",
    "mobilenetv4_conv_medium",
    "vit_small_patch16_224",
    "vit_small_patch14_dinov2",
    "swin_tiny_patch4_window7_224",
    "regnety_008",
)
"""The networks that docs/training.md says are tested in full."""

_HEAD = f"{'network':30} {'pixels':>6} {'images/s':>9} {'to the limit':>12}  {'quartiles':16} {'bf16 to float32':>16}"


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    import torch

    from bench.machine import describe
    from bench.picture_set import PictureSet
    from bench.pictures import picture_folder
    from container.contract.errors import HyperparameterError

    folder = picture_folder(given.batch_size * given.steps, seed=0, directory=given.directory, told=tell)
    pictures, _ = PictureSet.of_folder(folder).split(given.batch_size * given.steps, 0)
    try:
        sizes = {name: _size(name, given.image_size) for name in given.networks}
    except HyperparameterError as error:
        sys.exit(f"bench.networks: {error}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(f"{describe(device)}; batches of {given.batch_size}, {given.rounds} rounds of {given.steps} steps\n\n{_HEAD}")
    rows = []
    for name, size in sizes.items():
        rows.append(_measure(name, size, pictures, given))
        print(_line(rows[-1]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n")


def _size(name: str, largest: int) -> int:
    """Return the largest side of pictures, at most that one, that the network takes.

    Raises:
        HyperparameterError: There is no such network.
    """
    from container.contract.errors import HyperparameterError
    from container.networks.check import check_network
    from container.networks.inputs import preprocessing_for

    preprocessing_for(name)
    for size in range(largest, 32, -1):
        try:
            check_network(name, size)
        except HyperparameterError:
            continue
        return size
    return 32


def _measure(name: str, size: int, pictures: "PictureSet", given: argparse.Namespace) -> dict[str, Any]:
    from bench.cpu_time import cpu_seconds_of
    from bench.our_training import OurTraining
    from bench.rounds import measure, ratios
    from container.contract.hyperparameters import TrainConfig

    values = {"model-type": name, "recipe": "modern", "image-size": str(size), "batch-size": str(given.batch_size)}
    trainings = {
        amp: OurTraining(pictures, TrainConfig.from_strings({**values, "amp": amp})) for amp in ("auto", "off", "bf16")
    }
    ours = trainings["auto"]
    sides = {"ours": ours.epoch, "limit": ours.limit_epoch}
    for amp in ("off", "bf16"):
        epoch = trainings[amp].limit_epoch
        sides[amp] = epoch if ours.device.is_cuda else partial(cpu_seconds_of, epoch)
    compile_s = 0.0
    if given.compile:
        compiled = trainings["compiled"] = OurTraining(pictures, TrainConfig.from_strings(values))
        compiled.model.compile()
        start = time.perf_counter()
        compiled.limit_epoch()
        compile_s = time.perf_counter() - start
        sides["compiled"] = compiled.limit_epoch
    measure(sides, 1, lambda _line: None)  # to warm up
    seconds = measure(sides, given.rounds, partial(_told, name))
    for training in trainings.values():
        training.close()
    limit = ratios({key: seconds[key] for key in ("ours", "limit")}, "ours")["limit"]
    gain = ratios({key: seconds[key] for key in ("off", "bf16")}, "bf16")["off"]
    row = {
        "network": name,
        "image_size": size,
        "amp": str(ours.device.amp_dtype or "float32").removeprefix("torch."),
        "images_per_s": round(1 / sorted(seconds["ours"])[len(seconds["ours"]) // 2], 2),
        "vs_limit": round(limit.median, 4),
        "vs_limit_quartiles": [round(edge, 4) for edge in limit.quartiles],
        "bf16_vs_float32": round(gain.median, 4),
        "bf16_vs_float32_quartiles": [round(edge, 4) for edge in gain.quartiles],
    }
    if given.compile:
        eager = ratios({key: seconds[key] for key in ("limit", "compiled")}, "compiled")["limit"]
        row["compiled_vs_eager"] = round(eager.median, 4)
        row["compiled_vs_eager_quartiles"] = [round(edge, 4) for edge in eager.quartiles]
        row["compile_s"] = round(compile_s, 1)
    return row


def _told(name: str, line: str) -> None:
    tell(f"{name}: {line}")


def _line(row: dict[str, Any]) -> str:
    low, high = row["vs_limit_quartiles"]
    compiled = ""
    if "compile_s" in row:
        compiled = f"  {row['compiled_vs_eager']:.2f} times as fast compiled, after {row['compile_s']:.0f} s"
    return (
        f"{row['network']:30} {row['image_size']:6} {row['images_per_s']:9} {row['vs_limit']:12.3f}  "
        f"{f'{low:.3f} to {high:.3f}':16} {row['bf16_vs_float32']:16.2f}{compiled}"
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.networks",
        description="Measure for each network the ratio of a training step to the same step with nothing to load, and "
        "of bf16 to float32.",
    )
    parser.add_argument(
        "--networks", type=lambda text: text.split(","), default=list(NETWORKS), help="default: the tested ten"
    )
    parser.add_argument("--image-size", type=positive, default=96, metavar="PIXELS", help="default: %(default)s")
    parser.add_argument("--batch-size", type=positive, default=16, metavar="N", help="default: %(default)s")
    parser.add_argument("--steps", type=positive, default=4, metavar="N", help="of a run; default: %(default)s")
    parser.add_argument("--rounds", type=positive, default=5, metavar="N", help="default: %(default)s")
    parser.add_argument("--compile", action="store_true", help="also compare with the step that torch.compile makes")
    parser.add_argument(
        "--directory", type=Path, help="where to keep generated pictures for reuse; default: the temporary directory"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
