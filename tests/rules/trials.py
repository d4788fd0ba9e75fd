"""Trials with a fault planted in each, written by the real smdebug. Run in its environment; see `golden.py`.

`healthy` is the record of a small network that learns: eight epochs of ten steps, and after each an evaluation of two
batches. A fault changes one thing of it.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Tensors = dict[str, np.ndarray]
REDUCTIONS = (("min", 0), ("max", 0), ("mean", 0), ("std", 0), ("max", 1), ("mean", 1))
WHOLE = ("CrossEntropyLoss_output_0", "labels", "predictions")
EPOCHS, STEPS, CLASSES, BATCH = 8, 10, 4, 64


@dataclass(frozen=True)
class Moment:
    """A step of the training that is recorded."""

    mode: str
    number: int
    """Of the mode."""
    epoch: int
    rng: np.random.Generator = field(compare=False)

    @property
    def time(self) -> int:
        """In steps of training."""
        return self.number if self.mode == "TRAIN" else (self.epoch + 1) * STEPS


Fault = Callable[[Moment, Tensors], Any]


def moments() -> Iterator[Moment]:
    rng = np.random.default_rng(7)
    for epoch in range(EPOCHS):
        for step in range(STEPS):
            yield Moment("TRAIN", epoch * STEPS + step, epoch, rng)
        for step in range(2):
            yield Moment("EVAL", epoch * 2 + step, epoch, rng)


def healthy(moment: Moment) -> Tensors:
    """What a sound training saves at a step."""
    rng = moment.rng
    loss = 2.3 * math.exp(-moment.time / 50)
    tensors = {"CrossEntropyLoss_output_0": np.float32(loss + rng.normal(0, 0.01))}
    saved = moment.number % (STEPS if moment.mode == "TRAIN" else 2) == 0
    if saved or moment.mode == "EVAL":
        labels = rng.permutation(np.arange(BATCH) % CLASSES)
        tensors |= {"labels": labels, "predictions": logits(labels)}
    if saved:
        for number, name in enumerate(("low", "high", "head")):
            fixed = np.random.default_rng(number)
            weight = fixed.normal(0, 0.2, (8, 6)) + 0.003 * moment.time
            tensors[f"Net_{name}.weight"] = weight.astype(np.float32)
    if saved and moment.mode == "TRAIN":
        for name in ("low", "high", "head"):
            tensors[f"gradient/Net_{name}.weight"] = rng.normal(0, 0.02, (8, 6)).astype(np.float32)
        for name in ("block1.relu", "block2.relu"):
            inputs = rng.normal(0, 1, (BATCH, 8)).astype(np.float32)
            tensors |= {f"{name}_input_0": inputs, f"{name}_output_0": np.maximum(inputs, 0)}
    return tensors


def logits(classes: np.ndarray) -> np.ndarray:
    return np.eye(CLASSES, dtype=np.float32)[classes]


def write(directory: Path, fault: Fault, *, reduced: bool, ended: bool = True) -> Path:
    """Record a training with the fault in it, its tensors whole or as reductions."""
    from smdebug.core.access_layer.utils import training_has_ended
    from smdebug.core.collection_manager import CollectionManager
    from smdebug.core.modes import ModeKeys
    from smdebug.core.reductions import get_numpy_reduction, get_reduction_tensor_name
    from smdebug.core.writer import FileWriter

    collections = CollectionManager()
    patterns = {
        "losses": "Loss_output",
        "weights": "^(?!gradient).*weight",
        "gradients": "^gradient",
        "labels": "^labels$",
        "predictions": "^predictions$",
    }
    for name, pattern in patterns.items():
        collections.get(name).include(pattern)
    collections.export(str(directory), "worker_0_collections.json")
    for step, moment in enumerate(moments()):
        tensors = healthy(moment)
        fault(moment, tensors)
        writer = FileWriter(trial_dir=str(directory), step=step, worker="worker_0")
        where: Mapping[str, Any] = {"mode": ModeKeys[moment.mode], "mode_step": moment.number}
        for name, value in tensors.items():
            if name in WHOLE or not reduced:
                writer.write_tensor(tdata=value, tname=name, **where)
                continue
            for reduction, absolute in REDUCTIONS:
                saved = get_reduction_tensor_name(name, reduction, bool(absolute))
                with np.errstate(all="ignore"):
                    writer.write_tensor(tdata=get_numpy_reduction(reduction, value, absolute), tname=saved, **where)
        writer.close()
    if ended:
        training_has_ended(str(directory))
    return directory
