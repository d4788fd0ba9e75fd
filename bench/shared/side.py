"""Trains one side of `bench.shared` in this process: `python -m bench.shared.side TASK`, with the task as JSON.

Prints a JSON object with `images_per_s`, counted once the warm-up is over, and `device`.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    task = json.loads(sys.argv[1])
    import torch

    from bench.machine import describe
    from bench.picture_set import PictureSet
    from bench.pictures import picture_folder
    from bench.telling import tell
    from container.contract.hyperparameters import TrainConfig
    from container.train.launch.distributed import World
    from container.train.launch.hosts import Rank

    config = TrainConfig(
        model_type=task["model"], image_size=task["image_size"], batch_size=task["batch_size"], use_cuda=False
    )
    folder = picture_folder(task["pictures"], seed=0, directory=Path(task["directory"]), told=tell)
    everything = PictureSet.of_folder(folder)
    count = len(everything) // config.batch_size * config.batch_size
    pictures, _ = everything.split(count, config.seed)
    run = _loop(task["side"], pictures, config, World(Rank()))
    run(task["warm_up_s"])
    rate = run(task["seconds"])
    print(json.dumps({"images_per_s": rate, "device": describe(torch.device("cpu"))}))


def _loop(name: str, pictures: Any, config: Any, world: Any) -> Callable[[float], float]:
    """Return what trains for so many seconds, and returns pictures per second."""
    from bench.our_training import OurTraining

    ours = OurTraining(pictures, config, world, steps=1)
    if name == "ours":
        return lambda seconds: _pictures_per_s(ours.step_beside_others, config.batch_size, seconds)
    if name == "plain":
        from bench.plain_training import PlainTraining

        plain = PlainTraining(pictures, config, ours.device.torch_device)
        return lambda seconds: _pictures_per_s(plain.epoch, len(pictures), seconds)
    from bench.timm_training import TimmTraining

    timm = TimmTraining(pictures, config, ours.device)
    return lambda seconds: _pictures_per_s(timm.epoch, len(pictures), seconds)


def _pictures_per_s(train: Callable[[], object], pictures: int, seconds: float) -> float:
    """Call a function that trains on so many pictures until the time is over."""
    start, done = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds or not done:
        train()
        done += pictures
    elapsed = time.perf_counter() - start
    return done / elapsed


if __name__ == "__main__":
    main()
