"""Checks that speed does not cost accuracy: ours, ours without the cache, and a plain loop, with the same seeds.

    python -m bench.same_accuracy [--data DIR] [--seeds N] [--epochs N] [--json FILE]

A fifth of the pictures is held out. Every side trains the same network from the same random weights, with the same
learning rate, batch size and augmentations, and is tested by the same code in float32.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from bench.machine import describe
from bench.our_training import OurTraining, accuracy_of
from bench.picture_set import PictureSet
from bench.pictures import picture_folder
from bench.plain_training import PlainTraining
from bench.telling import tell
from container.contract.hyperparameters import TrainConfig

SIDES = {"ours": "ours", "files": "ours, without the cache", "plain": "a plain loop"}


@dataclass(frozen=True)
class _Side:
    model: nn.Module
    epoch: Callable[[], float]


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    folder = given.data or picture_folder(given.pictures, seed=0, directory=None, told=tell)
    everything = PictureSet.of_folder(folder)
    base = TrainConfig(
        model_type=given.model,
        image_size=given.image_size,
        batch_size=given.batch_size,
        opt_learning_rate=given.learning_rate,
        num_workers=given.num_workers,
    )
    found: dict[str, list[float]] = {name: [] for name in SIDES}
    for seed in range(given.seeds):
        config = replace(base, seed=seed)
        steps = len(everything) * 4 // 5 // config.batch_size
        train, held_out = everything.split(steps * config.batch_size, seed)
        for name in SIDES:
            ours = OurTraining(train, config)
            plain = PlainTraining(train, config, ours.device.torch_device)
            side = {
                "ours": _Side(ours.model, ours.epoch),
                "files": _Side(ours.model, ours.epoch_of_files),
                "plain": _Side(plain.model, plain.epoch),
            }[name]
            for _ in range(given.epochs):
                side.epoch()
            found[name].append(accuracy_of(side.model, held_out, config, ours.device))
            device = describe(ours.device.torch_device)
            ours.close()
            tell(f"seed {seed}, {SIDES[name]}: {found[name][-1]:.4f}")
    result: dict[str, Any] = {"device": device, "pictures": len(everything), "epochs": given.epochs, **found}
    setting = f"{given.model}, {given.image_size} px, batch {given.batch_size}, {given.epochs} epochs"
    print(f"{setting}, {len(everything)} pictures")
    print(device)
    print()
    for name, words in SIDES.items():
        runs = ", ".join(f"{100 * each:.2f}" for each in found[name])
        print(f"{words:24} mean {100 * statistics.mean(found[name]):.2f} %  ({runs})")
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.same_accuracy",
        description="Compare the accuracy of ours, with and without cache, with a plain loop's.",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="an ImageFolder; default: generated photographs")
    parser.add_argument(
        "--pictures", type=int, default=1000, metavar="N", help="pictures to generate; default: %(default)s"
    )
    parser.add_argument("--model", default="resnet18", help="default: %(default)s")
    parser.add_argument("--image-size", type=int, default=64, metavar="PIXELS", help="default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="default: %(default)s")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="RATE", help="default: %(default)s")
    parser.add_argument("--num-workers", type=int, default=-1, metavar="N", help="our DataLoader workers")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=6, metavar="N", help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
