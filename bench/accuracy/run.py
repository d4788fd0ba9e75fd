"""Trains one contender once, in a process of its own. Importing libraries is not part of the time."""

import json
import multiprocessing
import os
import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.accuracy.task import Curve, Task

_PRELOADED = ("timm", "bench.accuracy.ours", "container.train.loop.train_model")


def _ours(recipe: str) -> Callable[["Task"], "Curve"]:
    from bench.accuracy import ours

    return lambda task: ours.train(task, recipe)


def _seed_loop() -> Callable[["Task"], "Curve"]:
    from bench.accuracy import seed_loop

    return seed_loop.train


def _timm(name: str) -> Callable[["Task"], "Curve"]:
    from bench.accuracy import timm_script

    options = getattr(timm_script, name)
    return lambda task: timm_script.train(task, options)


def _torchvision() -> Callable[["Task"], "Curve"]:
    from bench.accuracy import torchvision_reference

    return lambda task: torchvision_reference.train(task, label_smoothing=0.1)


def _fastai() -> Callable[["Task"], "Curve"]:
    from bench.accuracy import fastai_fine_tune

    return fastai_fine_tune.train


_CONTENDERS: dict[str, Callable[[], Callable[["Task"], "Curve"]]] = {
    "modern": lambda: _ours("modern"),
    "seed": lambda: _ours("seed"),
    "seed-loop": _seed_loop,
    "timm": lambda: _timm("DEFAULTS"),
    "timm-fine-tuning": lambda: _timm("FINE_TUNING"),
    "torchvision": _torchvision,
    "fastai": _fastai,
}


def run(name: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run a process; returns its points.

    Args:
        name: The contender's.
        given: The fields of `Task`, with paths as text.

    Raises:
        RuntimeError: It failed; the error is the end of its output.
    """
    os.environ["OMP_NUM_THREADS"] = str(given["cpus"])
    # Its processes start with torch imported, but never used.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        log, points = Path(folder) / "log", Path(folder) / "points"
        process = context.Process(target=_train, args=(name, given, log, points))
        process.start()
        process.join()
        if process.exitcode:
            raise RuntimeError(log.read_text(errors="replace")[-3000:])
        found: list[dict[str, Any]] = json.loads(points.read_text())
        return found


def _train(name: str, given: Mapping[str, Any], log: Path, points: Path) -> None:
    multiprocessing.set_start_method("fork", force=True)  # as DataLoader workers begin in a program of one's own
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    import numpy as np
    import torch

    from bench.accuracy.task import Task

    task = Task(**{**given, "data": Path(given["data"]), "weights": Path(given["weights"])})
    train = _CONTENDERS[name]()
    torch.set_num_threads(task.cpus)
    torch.manual_seed(task.seed)
    random.seed(task.seed)
    np.random.seed(task.seed)  # fastai draws from it
    points.write_text(json.dumps([asdict(point) for point in train(task).points]))
