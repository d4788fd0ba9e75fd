"""The settings that `bench.scale` varies, and the measurement of each table."""

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
from container.contract.hyperparameters import TrainConfig
from container.cpus import available_cpus

Values = Sequence[int | str]
Seconds = Mapping[str, Sequence[float]]
"""Seconds per picture, by the varied value and by round."""


def sweeps(*, quick: bool, on_gpu: bool) -> tuple[TrainConfig, dict[str, Values]]:
    """Return the base configuration, and the values to try for each of its fields."""
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
    """Return 1, and also 2 if there is a GPU for each or none at all."""
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
        gc.collect()  # frees networks and gradients before the next ones are made


def measure_processes(
    pictures: PictureSet, base: TrainConfig, counts: Sequence[int], rounds: int, told: Callable[[str], None]
) -> Seconds:
    """Vary the number of processes that share each batch."""
    with ExitStack() as running:
        sides = {str(count): running.enter_context(Processes(count, pictures, base)) for count in counts}
        return _measured({count: side.epoch for count, side in sides.items()}, rounds, "processes", told)


def _measured(sides: Mapping[str, Callable[[], float]], rounds: int, name: str, told: Callable[[str], None]) -> Seconds:
    if rounds > 1:  # a single round only shows that it works
        measure(sides, 1, lambda _line: told(f"{name}: warmed up"))
    return measure(sides, rounds, lambda line: told(f"{name}: {line}"))
