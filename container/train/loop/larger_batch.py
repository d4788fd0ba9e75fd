"""How long a step of twice the batch takes, timed before training: the report's advice on the batch size uses it."""

import logging
import math
import statistics
from collections.abc import Mapping

import torch
from torch import nn

from container.contract.hyperparameters import TrainConfig
from container.memory import available_memory
from container.out_of_memory import is_out_of_memory
from container.preprocessing import Preprocessing
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.loop.batch_trial import Trial, free_memory, most_worth_trying

logger = logging.getLogger(__name__)

_LEAST, _MOST = 2, 6  # timed steps of each of the two sizes
_SHARE = 300  # of the job's steps for each; one of twice the batch takes at most twice as long


def time_steps(
    config: TrainConfig, model: nn.Module, device: Device, preprocessing: Preprocessing, pictures: int, world: World
) -> Mapping[int, float]:
    """Time training steps of the job's batch, and of twice as many pictures.

    It takes at most as long as 1 % of the planned steps, on a GPU 2 %. Jobs of few steps are not timed, nor those whose
    steps are not of the kind timed here: compiled, or of the head alone.

    Args:
        config: With the batch size and the image size resolved.
        model: On the device; unchanged, as are the program's random numbers.
        device: Where, and in which precision.
        preprocessing: Gives the size of the pictures.
        pictures: Number of training pictures of the whole job.
        world: Its processes.

    Returns:
        Seconds of a step by the pictures of one process in it, two of them; empty if they were not timed, or if twice
        the batch does not fit in memory or is larger than any that would be advised.
    """
    size = config.batch_size // world.size
    steps = min(_MOST, config.epochs * (pictures // config.batch_size) // _SHARE)
    if not config.profile or config.compile or config.probe == "only" or config.freeze_epochs >= config.epochs:
        return {}
    if steps < _LEAST or 2 * size > most_worth_trying(device, pictures // world.size):
        return {}
    found = _time(model, device, preprocessing, size, steps, world)
    free_memory(device)
    if device.is_cuda:
        torch.cuda.reset_peak_memory_stats()  # the profiler's page shows the job's own peak
    if found:
        logger.info("a step %s", ", ".join(f"of {count} pictures takes {each:.4f} s" for count, each in found.items()))
    return found


def _time(
    model: nn.Module, device: Device, preprocessing: Preprocessing, size: int, steps: int, world: World
) -> Mapping[int, float]:
    try:
        # Half of it: DataLoader workers and caches need some, too.
        memory = available_memory() / 2 / world.local_size
        trial = Trial(model, device, preprocessing, processes=world.size, memory=memory)
        timed = {
            count: [trial.step_seconds(count, device.amp_dtype) for _ in range(steps)] for count in (size, 2 * size)
        }
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return {}
    # The first step also prepares what later ones find.
    found = {count: statistics.median(seconds[1:]) for count, seconds in timed.items()}
    return found if all(math.isfinite(seconds) for seconds in found.values()) else {}
