"""Trains one contender once, as a process of its own: `python -m bench.accuracy.run CONTENDER TASK`; prints the curve.

TASK is JSON, the fields of `Task`. Importing libraries is not part of the time.
"""

import json
import random
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.accuracy.task import Curve, Task


def _ours(recipe: str) -> Callable[[Task], Curve]:
    from bench.accuracy import ours

    return lambda task: ours.train(task, recipe)


def _seed_loop() -> Callable[[Task], Curve]:
    from bench.accuracy import seed_loop

    return seed_loop.train


def _timm(name: str) -> Callable[[Task], Curve]:
    from bench.accuracy import timm_script

    options = getattr(timm_script, name)
    return lambda task: timm_script.train(task, options)


def _torchvision() -> Callable[[Task], Curve]:
    from bench.accuracy import torchvision_reference

    return lambda task: torchvision_reference.train(task, label_smoothing=0.1)


def _fastai() -> Callable[[Task], Curve]:
    from bench.accuracy import fastai_fine_tune

    return fastai_fine_tune.train


_CONTENDERS: dict[str, Callable[[], Callable[[Task], Curve]]] = {
    "modern": lambda: _ours("modern"),
    "seed": lambda: _ours("seed"),
    "seed-loop": _seed_loop,
    "timm": lambda: _timm("DEFAULTS"),
    "timm-fine-tuning": lambda: _timm("FINE_TUNING"),
    "torchvision": _torchvision,
    "fastai": _fastai,
}


def main() -> None:
    name, given = sys.argv[1], json.loads(sys.argv[2])
    task = Task(**{**given, "data": Path(given["data"]), "weights": Path(given["weights"])})
    train = _CONTENDERS[name]()
    torch.set_num_threads(task.cpus)
    torch.manual_seed(task.seed)
    random.seed(task.seed)
    np.random.seed(task.seed)  # fastai draws from it
    points: list[dict[str, Any]] = [asdict(point) for point in train(task).points]
    print(json.dumps(points), flush=True)


if __name__ == "__main__":
    main()
