"""What `bench.scale` varies, and how it measures each table."""

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch

from bench.our_training import OurTraining
from bench.picture_set import PictureSet
from bench.processes import Processes
from bench.rounds import measure
from container.cpus import available_cpus
from container.train.hyperparameters import TrainConfig

Values = Sequence[int | str]
Seconds = Mapping[str, Sequence[float]]
"""A picture's, by the value that was varied and by round."""


def sweeps(*, quick: bool, on_gpu: bool) -> tuple[TrainConfig, dict[str, Values]]:
    """What stays, and for each field of it the values that it takes in turn."""
    models = ["resnet50", "resnet101", "resnet152"]
    if quick:
        base = TrainConfig(model_type="resnet18", image_size=32, batch_size=4, num_workers=0)
        return base, {"num_workers": [0, 1], "image_size": [32], "batch_size": [4], "model_type": ["resnet18"]}
    if on_gpu:
        base = TrainConfig(model_type="resnet50", image_size=224, batch_size=64)
        sizes, batches = [128, 224, 288], [32, 64, 128, 256]
    else:
        base = TrainConfig(model_type="resnet18", image_size=64, batch_size=16)
        sizes, batches = [32, 64, 128, 224], [8, 16, 32]
    workers = [0, *(2**power for power in range(available_cpus().bit_length()))]
    return base, {"num_workers": workers, "image_size": sizes, "batch_size": batches, "model_type": models}


def process_counts(*, on_gpu: bool) -> list[int]:
    """One, and two where there is a GPU for each or none at all."""
    return [1] if on_gpu and torch.cuda.device_count() < 2 else [1, 2]


def measure_sweep(
    pictures: PictureSet,
    base: TrainConfig,
    field: str,
    values: Values,
    rounds: int,
    told: Callable[[str], None],
) -> Seconds:
    """Vary one field, by its name in TrainConfig."""
    sides: dict[str, OurTraining] = {}
    for value in values:
        varied: dict[str, Any] = {field: value}
        sides[str(value)] = OurTraining(pictures, replace(base, **varied))
    try:
        return _measured({value: side.epoch for value, side in sides.items()}, rounds, field, told)
    finally:
        for side in sides.values():
            side.close()
        sides.clear()
        gc.collect()  # networks and their gradients, before the next ones come


def measure_processes(
    pictures: PictureSet, base: TrainConfig, counts: Sequence[int], rounds: int, told: Callable[[str], None]
) -> Seconds:
    """Vary the number of processes that share each batch."""
    with ExitStack() as running:
        sides = {str(count): running.enter_context(Processes(count, pictures, base)) for count in counts}
        return _measured({count: side.epoch for count, side in sides.items()}, rounds, "processes", told)


def _measured(sides: Mapping[str, Callable[[], float]], rounds: int, name: str, told: Callable[[str], None]) -> Seconds:
    if rounds > 1:  # one only shows that it runs
        measure(sides, 1, lambda _line: told(f"{name}: warmed up"))
    return measure(sides, rounds, lambda line: told(f"{name}: {line}"))
