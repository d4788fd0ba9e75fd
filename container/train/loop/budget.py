"""A job's time budget: what the device can do in it, measured, and the plan that follows."""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from torch import nn

from container.contract.errors import HyperparameterError, PictureError
from container.contract.hyperparameters import TrainConfig
from container.cpus import available_cpus
from container.networks.check import check_network
from container.preprocessing import Preprocessing
from container.train.checkpoints.checkpoint import read_newest_checkpoint
from container.train.data.channels import Splits
from container.train.data.dataset import Prepare
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.stopping import Stop
from container.train.loop.batch_trial import Trial, free_memory

logger = logging.getLogger(__name__)

_SPARE = 0.15  # of the budget, for what is not foreseen
_FEW_EPOCHS = 5  # fewer are better spent at a smaller image size
_SMALLER = (0.75, 0.5)
_TRIED_ON_A_CPU = 8  # pictures of a timed step
_READ = 24  # pictures whose reading is timed
_PROBE_ONLY: Mapping[str, Any] = {"probe": "only", "freeze_epochs": 0, "mixup": 0.0, "cutmix": 0.0}


@dataclass(frozen=True)
class Costs:
    """Seconds of one picture at the full image size, of all processes together."""

    train: float
    """A training step's share."""
    read: float
    """Reading it from its file, with all CPUs."""
    ending: float
    """Ending the job, reports included, which takes about as long as starting it did."""

    @property
    def evaluate(self) -> float:
        """Without backward, which takes twice the time of forward."""
        return self.train / 3

    def evaluation(self, pictures: int) -> float:
        """Estimate the seconds of an evaluation."""
        return pictures * self.evaluate


def seconds_left(budget: float) -> float:
    """Compute how much of a budget, given in minutes, is left, counted from the start of this process."""
    return float(60 * budget - (time.time() - psutil.Process().create_time()))


def measure(
    model: nn.Module,
    device: Device,
    preprocessing: Preprocessing,
    prepare: Prepare,
    splits: Splits,
    batch_size: int,
    stop: Stop,
    world: World,
    *,
    budget: float,
) -> Costs:
    """Time a few training steps on random pictures and the reading of a few pictures; the slowest process counts.

    Args:
        model: On the device; unchanged.
        device: Where, and in which precision.
        preprocessing: Of the full image size.
        prepare: Reads a training picture.
        splits: The pictures.
        batch_size: Of all processes; 0 if it is not known yet.
        stop: Whether the job was asked to end.
        world: The job's processes.
        budget: Minutes.
    """
    ending = 60 * budget - seconds_left(budget)
    trial = Trial(model, device, preprocessing, processes=world.size, stop=stop)
    size = max(trial.least, (batch_size or 64) // world.size)
    speed = trial.speed(size if device.is_cuda else min(size, _TRIED_ON_A_CPU)) or trial.speed(trial.least)
    del trial
    free_memory(device)
    step, read = 1 / speed if speed else math.inf, _time_reading(splits, prepare)
    loading = read / max(1, device.workers)
    # A GPU computes while the CPUs read.
    costs = Costs(max(step, loading) if device.is_cuda else step + loading, read / available_cpus(), ending)
    train, read, ending = (max(values) for values in zip(*world.gather(astuple(costs)), strict=True))
    return Costs(train / world.size, read / world.local_size, ending)


def _time_reading(splits: Splits, prepare: Prepare) -> float:
    started, count = time.perf_counter(), 0
    for sample in splits.train[:: max(1, len(splits.train) // _READ)]:
        try:
            prepare(sample.path)
        except PictureError:  # the scan names it
            continue
        count += 1
    return (time.perf_counter() - started) / max(1, count)


def plan(config: TrainConfig, costs: Costs, seconds: float, splits: Splits, *, sizes: tuple[int, ...]) -> TrainConfig:
    """Choose probe, image size and epochs, so that the job ends in time with the best model it can.

    The full size with several epochs comes first, then a smaller one; if no epoch fits, a linear probe has to do.

    Args:
        config: `epochs` are the most.
        costs: At the full size.
        seconds: Until the job has to end.
        splits: The pictures.
        sizes: Image sizes, the full one first.
    """
    train, validation, test = len(splits.train), len(splits.validation), len(splits.test)
    pretrained = config.weights != "none"
    left = seconds * (1 - _SPARE) - costs.ending - costs.read * (train + validation + test)
    chosen, probed = None, sizes[-1]
    for size in reversed(sizes):
        if left >= costs.evaluation(train + validation + test) * (size / sizes[0]) ** 2:
            probed = size
    for size in sizes:
        share = (size / sizes[0]) ** 2
        probing = costs.evaluation(train + validation) * share if config.probe != "off" else 0.0
        remaining = left - probing - costs.evaluation(test) * share
        epochs = int(remaining / (share * (costs.train * train + costs.evaluation(validation))))
        if epochs >= 1:
            chosen = replace(config, image_size=size, epochs=min(epochs, config.epochs))
        if epochs >= min(_FEW_EPOCHS, config.epochs):
            break
    if chosen is None and pretrained:
        chosen = replace(config, image_size=probed, **_PROBE_ONLY)
    return chosen or replace(config, image_size=sizes[-1], epochs=1)


def plan_of_checkpoint(config: TrainConfig, checkpoints: Path, world: World) -> TrainConfig | None:
    """Read what an interrupted job had chosen, and keeps; None if there is no checkpoint."""
    content = read_newest_checkpoint(checkpoints) if world.is_first else None
    kept = content and (content["fingerprint"], content["progress"]["planned_epochs"])
    kept = world.share(kept)
    if not kept:
        return None
    fingerprint, epochs = kept
    found = replace(config, image_size=int(fingerprint["image-size"]), epochs=epochs)
    return replace(found, **_PROBE_ONLY) if fingerprint["probe"] == "only" else found


def sizes_to_choose_from(config: TrainConfig, *, fixed: bool) -> tuple[int, ...]:
    """List the image sizes that the network takes, the full one first; only that one if it is fixed."""
    found = [config.image_size]
    for factor in () if fixed else _SMALLER:
        size = round(factor * config.image_size / 32) * 32
        try:
            check_network(config.model_type, size, config.drop_path)
        except HyperparameterError:
            continue
        if 32 <= size < found[-1]:
            found.append(size)
    return tuple(found)


def deadline_of(costs: Costs, seconds: float, splits: Splits, *, share: float) -> float:
    """Return when training has to stop, on time.monotonic's clock, for evaluation and test to end in time.

    Args:
        costs: At the full size.
        seconds: Until the job has to end.
        splits: The pictures.
        share: The chosen size's part of the costs.
    """
    pictures = len(splits.validation) + len(splits.test)
    return time.monotonic() + seconds - costs.ending - (1 + _SPARE) * share * costs.evaluation(pictures)


def describe(config: TrainConfig, costs: Costs, seconds: float) -> str:
    """Say what was chosen, and why."""
    milliseconds = 1000 * costs.train
    found = f"a training picture takes {milliseconds:.{0 if milliseconds >= 10 else 1}f} ms, {seconds:.0f} s are left"
    if config.probe == "only":
        return f"budget: {found}: a linear probe at image-size {config.image_size}, no epochs"
    probe = "a linear probe, then " if config.probe == "first" else ""
    epochs = f"{config.epochs} epoch{'s' * (config.epochs != 1)}"
    return f"budget: {found}: {probe}{epochs} at image-size {config.image_size}"
