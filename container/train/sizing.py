"""How many pictures a step takes, where the job does not say, or says too many."""

import gc
import logging
from pathlib import Path

import torch
from torch import nn

from container.errors import TrainingError
from container.preprocessing import Preprocessing
from container.train.batch_size import Trial, largest_that_fits, most_worth_trying, smallest_of_the_fast, speeds
from container.train.checkpoint import read_newest_checkpoint
from container.train.device import Device
from container.train.distributed import World
from container.train.hyperparameters import TrainConfig

logger = logging.getLogger(__name__)


def earlier_batch_size(checkpoints: Path, world: World) -> int:
    """An interrupted job's, which goes on with it; 0 where there is none."""
    content = read_newest_checkpoint(checkpoints) if world.is_first else None
    return int(world.share(content["fingerprint"]["batch-size"] if content else 0))


def find_batch_size(
    model: nn.Module, device: Device, preprocessing: Preprocessing, training_pictures: int, world: World
) -> int:
    """For all processes together; each tries, and the smallest choice is taken for all.

    Raises:
        TrainingError: Not even a small batch fits in the memory of a GPU.
    """
    logger.info("batch-size 0: trying which is fast enough")
    trial = Trial(model, device, preprocessing, processes=world.size)
    most = most_worth_trying(device, preprocessing, training_pictures // world.size)
    found = speeds(trial.speed, trial.fits, most)
    for number, pictures_a_second in found.items():
        logger.info("batch-size %d: %.1f pictures a second on this device", number, pictures_a_second)
    chosen = min(world.gather(smallest_of_the_fast(found) if found else 0)) * world.size
    if not chosen:
        raise TrainingError(
            f"not even {min(8, most)} pictures of image-size {preprocessing.size} fit in the GPU's memory; choose a "
            "smaller image-size or model-type"
        )
    logger.info("batch-size %d is within a twentieth of the fastest, and the smallest that is", chosen)
    return chosen


def out_of_memory(
    config: TrainConfig, model: nn.Module, device: Device, preprocessing: Preprocessing, world: World
) -> str:
    """What to say of it, and to do. Called where the job's own tensors are let go of; does not ask other processes."""
    found = f"CUDA out of memory with batch-size {config.batch_size} and image-size {config.image_size}"
    model.zero_grad()
    gc.collect()
    torch.cuda.empty_cache()
    try:
        trial = Trial(model, device, preprocessing, processes=world.size)
        fits = largest_that_fits(trial.fits, config.batch_size // world.size) * world.size
    except torch.cuda.OutOfMemoryError:
        fits = 0
    if not fits:
        return f"{found}, and no batch fits beside the network; choose a smaller image-size or model-type"
    return f"{found}; {fits} fits: set batch-size to that, or to 0 to have one found, or choose a smaller image-size"
