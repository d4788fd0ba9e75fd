"""The precision of a job on a CPU that leaves it to us: the faster one for its network."""

import logging
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from container.contract.hyperparameters import TrainConfig
from container.preprocessing import Preprocessing
from container.train.checkpoints.checkpoint import read_newest_checkpoint
from container.train.device import PRECISIONS, Device
from container.train.launch.distributed import World
from container.train.loop.batch_trial import Trial

logger = logging.getLogger(__name__)

_TINY = 10_000_000  # pixels to train on in all, 200 pictures of 224 x 224: about as much work as measuring is
_MOST_PIXELS = 8 * 224**2  # of a measured batch
_MOST_S = 3.0
_MOST_ROUNDS = 6
_WORTH = 0.9  # of float32's time, so that chance decides for few networks
_DTYPES = {PRECISIONS[dtype]: dtype for dtype in (None, torch.bfloat16)}


def choose_precision(
    config: TrainConfig,
    model: nn.Module,
    device: Device,
    preprocessing: Preprocessing,
    pictures: int,
    checkpoints: Path | None,
    world: World,
) -> Device:
    """Choose bf16 or float32 for `amp=auto` on a CPU, and log why; any other job's device is returned as it is.

    An interrupted job keeps what it had. A tiny one trains in float32. Otherwise both are measured, and bf16 is chosen
    if it is clearly faster. All processes take the first one's choice.

    Args:
        config: With the image size resolved.
        model: On the device; unchanged.
        device: With bf16 if the CPU has it.
        preprocessing: Gives the size of the pictures.
        pictures: Number of training pictures of the whole job.
        checkpoints: The checkpoint directory, if any.
        world: The job's processes.
    """
    if config.amp != "auto" or device.is_cuda:
        return device
    chosen = PRECISIONS[None]
    if world.share(device.amp_dtype is not None):
        if kept := world.share(_of_checkpoint(checkpoints) if checkpoints and world.is_first else ""):
            chosen = kept
            logger.info("precision %s: that of the checkpoint", chosen)
        elif config.epochs * pictures * preprocessing.size**2 < _TINY:
            logger.info("precision %s: the job is too small to measure whether bf16 is faster", chosen)
        else:
            batch_size = min(config.batch_size or pictures, pictures) // world.size
            chosen = world.share(faster_precision(model, device, preprocessing, batch_size, processes=world.size))
    return replace(device, amp_dtype=_DTYPES[chosen])


def faster_precision(
    model: nn.Module, device: Device, preprocessing: Preprocessing, batch_size: int, *, processes: int = 1
) -> str:
    """Time training steps in float32 and bf16 by turns, for some seconds, and choose bf16 if it is clearly faster.

    Args:
        model: Unchanged, as are the program's random numbers.
        device: A CPU.
        preprocessing: Gives the size of the pictures.
        batch_size: The job's, per process; large batches are measured in part.
        processes: The job's number of processes.
    """
    trial = Trial(model, device, preprocessing, processes=processes)
    size = max(trial.least, min(batch_size, _MOST_PIXELS // preprocessing.size**2))
    rounds: list[dict[str, float]] = []
    started = time.perf_counter()
    # The first round also prepares what later ones find, and counts only where steps take seconds.
    while not rounds or (len(rounds) < _MOST_ROUNDS and time.perf_counter() - started < _MOST_S):
        rounds.append({name: trial.step_seconds(size, dtype) for name, dtype in _DTYPES.items()})
    counted = rounds[1:] or rounds
    medians = {name: statistics.median(each[name] for each in counted) for name in _DTYPES}
    full, half = PRECISIONS[None], PRECISIONS[torch.bfloat16]
    chosen = half if medians[half] < _WORTH * medians[full] else full
    logger.info(
        "precision %s: a step of %d pictures takes %s (amp fixes the precision)",
        *(chosen, size, " and ".join(f"{seconds:.4f} s in {name}" for name, seconds in medians.items())),
    )
    return chosen


def _of_checkpoint(checkpoints: Path) -> str:
    """Read the precision of the newest checkpoint; empty if there is none, or only of a GPU or an earlier version."""
    content = read_newest_checkpoint(checkpoints) or {}
    found = str(content.get("precision", ""))
    return found if found in _DTYPES else ""
