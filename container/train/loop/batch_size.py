"""The batch size of a job that leaves it to us, and advice for one whose batch size did not fit."""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from container.contract.errors import TrainingError
from container.contract.hyperparameters import TrainConfig
from container.gpu import Gpu
from container.memory import available_memory
from container.networks.batch_norm import fewest_pictures
from container.out_of_memory import is_out_of_memory
from container.preprocessing import Preprocessing
from container.train.checkpoints.checkpoint import read_newest_checkpoint
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.stopping import Interrupted, Stop
from container.train.loop.batch_trial import (
    Trial,
    free_memory,
    largest_that_fits,
    most_worth_trying,
    smallest_of_the_fast,
    speeds,
)

logger = logging.getLogger(__name__)


def checkpoint_batch_size(checkpoints: Path, world: World) -> int:
    """Read the batch size of the newest checkpoint, which an interrupted job keeps; 0 if there is none."""
    content = read_newest_checkpoint(checkpoints) if world.is_first else None
    size = int(world.share(content["fingerprint"]["batch-size"] if content else 0))
    if size:
        logger.info("batch-size %d: that of the checkpoint", size)
    return size


def find_batch_size(
    model: nn.Module, device: Device, preprocessing: Preprocessing, training_pictures: int, stop: Stop, world: World
) -> int:
    """Find a batch size for all processes together: each tries on its device, and the smallest choice is taken for all.
    Logs what was found.

    Args:
        model: On the device; unchanged.
        device: Where, and in which precision.
        preprocessing: Gives the size of the pictures.
        training_pictures: Number of training pictures of the whole job.
        stop: Whether the job was asked to end.
        world: Its processes.

    Raises:
        TrainingError: Not even the smallest batch fits in a GPU's memory.
        Interrupted: The job was asked to end.
    """
    logger.info("batch-size 0: trying which size is fast enough")
    most = most_worth_trying(device, training_pictures // world.size)
    least = fewest_pictures(model, preprocessing.size, world.size)
    found: dict[int, float] = {}
    try:
        # Half of it: DataLoader workers and caches need some, too.
        memory = available_memory() / 2 / world.local_size
        trial = Trial(model, device, preprocessing, processes=world.size, memory=memory, stop=stop)
        found = speeds(trial.speed, most, least)
        del trial
    except (RuntimeError, Interrupted) as error:
        if not (isinstance(error, Interrupted) or is_out_of_memory(error)):
            raise
        # The other processes must learn of it below.
    free_memory(device)
    if device.is_cuda:
        torch.cuda.reset_peak_memory_stats()  # the profiler's page shows the job's own peak
    share = min(world.gather(smallest_of_the_fast(found) if found else 0))
    if world.any(stop.requested):
        raise Interrupted
    if not share:
        raise TrainingError(
            f"batch-size 0: not even {least * world.size} fits in the memory of {_name(device)} with image-size "
            f"{preprocessing.size}; choose a smaller model-type or image-size"
        )
    logger.info("%s", what_was_found(share, found, most, world.size))
    return share * world.size


def what_was_found(share: int, found: Mapping[int, float], most: int, processes: int) -> str:
    """Compose one line: the choice, the speed of its neighbours and of the fastest, and why nothing larger was tried.

    Args:
        share: Each process's part of the choice.
        found: Pictures a second by size, on this process's device.
        most: The largest size of one process that would have been tried.
        processes: The job's number of processes.
    """
    chosen = f"batch-size {share * processes}"
    if share not in found:
        return f"{chosen}: the most that suits the device of another process"
    each = f" on each of {processes} devices" * (processes > 1)
    beside = sorted({share // 2, 2 * share, max(found, key=found.__getitem__)} & found.keys() - {share})
    others = ", ".join(f"{size * processes} gives {_rate(found[size])}" for size in beside)
    following = 2 * max(found)
    if following <= most:
        end = f"{following * processes} does not fit in memory"
    else:
        end = f"more than {most * processes} is not tried"
    return "; ".join(filter(None, (f"{chosen}: {_rate(found[share])} pictures/s{each}", others, end)))


def explain_out_of_memory(
    config: TrainConfig, model: nn.Module, device: Device, preprocessing: Preprocessing, world: World
) -> str:
    """Say how large a batch would have fitted, found by trying here, after training ran out of a GPU's memory.

    Other processes are not asked: they may be anywhere in their step.

    Args:
        config: The job's.
        model: The job's; moved off the device.
        device: Where, and in which precision.
        preprocessing: Gives the size of the pictures.
        world: The processes of the job; the advice is for all together.
    """
    found = (
        f"CUDA out of memory with batch-size {config.batch_size} and image-size {config.image_size} on {_name(device)}"
    )
    failed = -(-config.batch_size // world.size)
    try:
        model.zero_grad()
        model.to("cpu")
        free_memory(device)
        trial = Trial(model, device, preprocessing, processes=world.size)
        fits = largest_that_fits(trial.fits, failed - 1, trial.least) * world.size
    except RuntimeError as error:
        if is_out_of_memory(error):
            return f"{found}, and no smaller batch fits: choose a smaller model-type or image-size"
        reason = str(error).partition("\n")[0]
        return (
            f"{found}; no batch-size could be tried afterwards ({reason}): halve it, or choose a smaller model-type or "
            "image-size"
        )
    if not fits:
        return f"{found}, and no smaller batch fits: choose a smaller model-type or image-size"
    return f"{found}; batch-size {fits} fits: set it, or 0 to have it found, or lower image-size"


def _name(device: Device) -> str:
    if not device.is_cuda:
        return "the CPU"
    facts = torch.cuda.get_device_properties(device.torch_device)
    return str(Gpu(name=facts.name, memory_bytes=facts.total_memory))


def _rate(pictures_a_second: float) -> str:
    return f"{pictures_a_second:.0f}" if pictures_a_second >= 10 else f"{pictures_a_second:.1f}"
