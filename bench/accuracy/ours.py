"""Our recipes, through the training program itself.

The program runs in this process, so that its network can be tested on the test split after each epoch: two functions
that its loop calls, `evaluate` and `probe`, are wrapped. The clock stands still during its own evaluation too, by which
it decides which network it saves.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

import container.train.loop.fit as loop
from bench.accuracy.task import Curve, Task, TestPictures
from container.contract.paths import MlPaths
from container.networks.inputs import preprocessing_for
from container.train.data.channels import list_splits
from container.train.data.dataset import EvaluationPictures
from container.train.launch.stopping import Stop
from container.train.loop.evaluate import evaluate as own_evaluate
from container.train.loop.probe import probe as own_probe
from container.train.program import run


def train(task: Task, recipe: str) -> Curve:
    """Train with one of our recipes, and defaults except for `task.ours`."""
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as base:
        paths = _job(task, recipe, Path(base))
        preprocessing = preprocessing_for(task.model, task.image_size)
        pictures = TestPictures(
            EvaluationPictures(list_splits(task.data).test, preprocessing),  # type: ignore[arg-type]
            preprocessing.normalizer(torch.device("cpu")),
        )
        curve = Curve()
        _test_after_epochs(curve, pictures)
        run(paths, Stop())
    return curve


def _job(task: Task, recipe: str, base: Path) -> MlPaths:
    """Make the directories of the training contract."""
    paths = MlPaths(base)
    for folder in (paths.config, paths.channels / "weights", paths.model, paths.output_data):
        folder.mkdir(parents=True)
    for channel in task.data.iterdir():
        (paths.channels / channel.name).symlink_to(channel)
    (paths.channels / "weights" / task.weights.name).symlink_to(task.weights)
    hyperparameters = {
        "model-type": task.model,
        "recipe": recipe,
        "image-size": task.image_size,
        "batch-size": task.batch_size,
        "epochs": task.epochs,
        "seed": task.seed,
        "export": "false",
        **task.ours,
    }
    (paths.config / "hyperparameters.json").write_text(json.dumps({k: str(v) for k, v in hyperparameters.items()}))
    return paths


def _test_after_epochs(curve: Curve, pictures: TestPictures) -> None:
    def evaluate(model: nn.Module, *arguments: Any, **more: Any) -> Any:
        with curve.paused():
            result = own_evaluate(model, *arguments, **more)
        curve.test(model, pictures, loss=result.loss)
        return result

    def probe(model: nn.Module, *arguments: Any) -> Any:
        fitted = own_probe(model, *arguments)
        if fitted is not None:
            curve.test(model, pictures, loss=fitted.evaluation.loss)
        return fitted

    vars(loop).update(evaluate=evaluate, probe=probe)
