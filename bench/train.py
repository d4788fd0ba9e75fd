"""Measures how fast training is, in ratios to the same step without loading, to a plain loop, and to timm.

    python -m bench.train [--json FILE]

Everything runs once in each round, over the same JPEG files, so that the machine's drift cancels; a ratio is the median
over the rounds, and a run is one epoch. All sides train the same network with AdamW on the same number of threads;
loader, precision, memory format, and what is read from the device are each side's own.

The limit is our step on batches that are on the device already. The plain loop is like the seed project's, with
torchvision's ImageFolder and transforms in the training process, float32, loss and accuracy read at each step. timm's
side calls its loader, optimizer and scaler as its training script does, in our precision and with as many workers.
Ours reads the cache, as a job does by default; "from files" is ours without it. The loaders are also compared by
their CPU time per picture in one process: ours ends with uint8, which the step normalises; the plain one normalises.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.arguments import positive
from bench.telling import tell

if TYPE_CHECKING:
    from bench.picture_set import PictureSet
    from container.contract.hyperparameters import TrainConfig


def main(arguments: Sequence[str] | None = None) -> None:
    given = _parse(arguments)
    with_timm = not given.without_timm
    if with_timm and find_spec("timm") is None:
        sys.exit("bench.train compares with timm, which is not installed: pip install timm, or add --without-timm")
    import torch

    from bench.machine import describe
    from bench.our_training import OurTraining
    from bench.picture_set import PictureSet
    from bench.pictures import picture_folder
    from bench.plain_training import PlainTraining
    from bench.rounds import measure
    from bench.train_results import results, table
    from bench.usage import usage_of
    from container.contract.errors import DataError
    from container.contract.hyperparameters import TrainConfig

    on_gpu = torch.cuda.is_available()
    config = TrainConfig(
        model_type=given.model or ("resnet50" if on_gpu else "resnet18"),
        image_size=given.image_size or (224 if on_gpu else 64),
        batch_size=given.batch_size or (64 if on_gpu else 16),
        num_workers=given.num_workers,
        opt_learning_rate=given.learning_rate,
    )
    folder = given.data or picture_folder(
        given.pictures or (6720 if on_gpu else 640), seed=config.seed, directory=given.directory, told=tell
    )
    try:
        everything = PictureSet.of_folder(folder)
    except DataError as error:
        sys.exit(f"bench.train: {folder} is not an ImageFolder: {error}")
    steps = min(given.steps or len(everything), len(everything) // config.batch_size)
    if not steps:
        sys.exit(f"bench.train: {folder} has {len(everything)} pictures, fewer than a batch of {config.batch_size}")
    pictures, _ = everything.split(steps * config.batch_size, config.seed)

    ours = OurTraining(pictures, config)
    ours.epoch()
    usage = usage_of(partial(ours.seconds_a_picture, ours.cached, steps), ours.device.torch_device)
    plain = PlainTraining(pictures, config, ours.device.torch_device)
    sides = {
        "ours": ours.epoch,
        "of_files": ours.epoch_of_files,
        "limit": ours.limit_epoch,
        "plain": plain.epoch,
        "loader": ours.loader_epoch,
        "loader_cached": ours.cached_loader_epoch,
        "loader_plain": plain.loader_epoch,
    }
    if with_timm:
        from bench.timm_training import TimmTraining

        sides["timm"] = TimmTraining(pictures, config, ours.device).epoch
    measure(sides, 1, lambda _line: tell("warmed up"))
    seconds = measure(sides, given.rounds, tell)
    result: dict[str, Any] = {
        "device": describe(ours.device.torch_device),
        "model": config.model_type,
        "image_size": config.image_size,
        "batch_size": config.batch_size,
        "amp": str(ours.device.amp_dtype or torch.float32).removeprefix("torch."),
        "workers": ours.device.workers,
        "steps": steps,
        "rounds": given.rounds,
        "picture_kb": round(everything.mean_bytes / 1000, 1),
        "scan_ms": round(1000 * ours.scan_s, 3),
        **results(seconds, usage, pictures=len(everything), price_per_hour=given.price_per_hour),
    }
    ours.close()
    if given.accuracy:
        result |= _times_to_accuracy(everything, config, given.accuracy, given.epochs)
    print(table(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=2) + "\n")


def _times_to_accuracy(everything: "PictureSet", config: "TrainConfig", accuracy: float, epochs: int) -> dict[str, Any]:
    """Time ours and the plain loop from the same random weights; a tenth of the pictures is held out."""
    from bench.our_training import OurTraining, accuracy_of
    from bench.plain_training import PlainTraining
    from bench.time_to_accuracy import Learner, learn

    batches = len(everything) * 9 // 10 // config.batch_size
    if not batches:
        sys.exit(f"bench.train: nine tenths of {len(everything)} pictures are fewer than a batch")
    train, held_out = everything.split(batches * config.batch_size, config.seed)
    result: dict[str, Any] = {"accuracy": accuracy}
    ours = OurTraining(train, config)
    sides: dict[str, Learner] = {"ours": ours, "plain": PlainTraining(train, config, ours.device.torch_device)}
    for name, side in sides.items():
        learnt = learn(
            side,
            lambda model: accuracy_of(model, held_out, config, ours.device),
            accuracy=accuracy,
            epochs=epochs,
            pictures=len(train),
        )
        tell(f"{name}: accuracy {learnt.accuracy:.3f} after {learnt.epochs} epochs")
        result |= {
            f"{name}_accuracy": round(learnt.accuracy, 4),
            f"{name}_epochs": learnt.epochs,
            f"{name}_seconds": round(learnt.seconds, 2),
            f"{name}_reached": learnt.reached,
        }
    ours.close()
    return result


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.train",
        description="Measure how fast training on a folder of JPEG files is, in ratios to the same step without "
        "loading, to a plain loop and to timm.",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results to this file")
    parser.add_argument("--model", help="default: resnet50 on a GPU, else resnet18")
    parser.add_argument("--image-size", type=positive, metavar="PIXELS", help="default: 224 on a GPU, else 64")
    parser.add_argument("--batch-size", type=positive, metavar="N", help="default: 64 on a GPU, else 16")
    parser.add_argument(
        "--num-workers", type=int, default=-1, metavar="N", help="DataLoader workers; default: as in training"
    )
    parser.add_argument(
        "--pictures",
        type=positive,
        metavar="N",
        help="pictures to generate, at least 4; default: 6720 on a GPU, else 640",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="an ImageFolder to train on instead")
    parser.add_argument(
        "--directory", type=Path, help="where to keep generated pictures for reuse; default: the temporary directory"
    )
    parser.add_argument("--rounds", type=positive, default=7, metavar="N", help="default: %(default)s")
    parser.add_argument("--steps", type=positive, metavar="N", help="most steps of a run; default: all pictures once")
    parser.add_argument("--without-timm", action="store_true", help="do not run timm; vs_timm is then null")
    parser.add_argument("--price-per-hour", type=float, metavar="DOLLARS", help="the machine's; adds an epoch's price")
    parser.add_argument(
        "--accuracy",
        type=float,
        metavar="SHARE",
        help="also train ours and the plain loop up to this accuracy on held-out pictures, from 0 to 1, such as 0.9",
    )
    parser.add_argument("--epochs", type=positive, default=20, metavar="N", help="most epochs; default: %(default)s")
    parser.add_argument(
        "--learning-rate", type=float, default=1e-3, metavar="RATE", help="from random weights; default: %(default)s"
    )
    given = parser.parse_args(arguments)
    if given.pictures is not None and given.pictures < 4:
        parser.error("--pictures must be at least 4, for two classes of two")
    return given


if __name__ == "__main__":
    main()
