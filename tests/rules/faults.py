"""One fault for each sign of each rule."""

import math

import numpy as np

from tests.rules.trials import BATCH, CLASSES, EPOCHS, Fault, Moment, Tensors, logits

LOSS = "CrossEntropyLoss_output_0"


def nothing(moment: Moment, tensors: Tensors) -> None:
    """A sound training."""


def times(name: str, factor: float) -> Fault:
    """A tensor is so many times as large."""

    def change(moment: Moment, tensors: Tensors) -> None:
        if name in tensors:
            tensors[name] = (tensors[name] * factor).astype(np.float32)

    return change


def at_first(name: str, factor: float) -> Fault:
    """Likewise, in the first step."""

    def change(moment: Moment, tensors: Tensors) -> None:
        if name in tensors and moment.time == 0:
            tensors[name] = tensors[name] * np.float32(factor)

    return change


def with_nan(moment: Moment, tensors: Tensors) -> None:
    if moment.time == 50 and "Net_high.weight" in tensors:
        tensors["Net_high.weight"][0, 0] = np.nan


def together(*others: Fault) -> Fault:
    """Several faults."""

    def change(moment: Moment, tensors: Tensors) -> None:
        for other in others:
            other(moment, tensors)

    return change


def slow_start(other: Fault, steps: int) -> Fault:
    """The loss does not fall in the first steps either, where another fault is."""

    def change(moment: Moment, tensors: Tensors) -> None:
        other(moment, tensors)
        tensors[LOSS] = np.float32(2.3 * math.exp(-max(0, moment.time - steps + 1) / 20))
        if moment.mode == "TRAIN" and moment.time < steps:
            tensors[LOSS] = np.float32(2.3 + 0.001 * moment.time)

    return change


def overfitted(moment: Moment, tensors: Tensors) -> None:
    if moment.mode == "EVAL":
        tensors[LOSS] = tensors[LOSS] * np.float32(1.6)


def alike_by_chance(moment: Moment, tensors: Tensors) -> None:
    """Losses scatter, but the training losses of the last epoch happen to lie together, below the validation's."""
    sign = 1 if moment.number % 2 else -1
    if moment.mode == "EVAL":
        tensors[LOSS] = tensors[LOSS] * np.float32(1 + 0.1 * sign)
    elif moment.epoch < EPOCHS - 1:
        tensors[LOSS] = tensors[LOSS] * np.float32(1 + 0.5 * sign)
    else:
        tensors[LOSS] = np.float32(0.4 + 0.002 * sign)


def summed(moment: Moment, tensors: Tensors) -> None:
    """The validation loss is the sum over the batch."""
    if moment.mode == "EVAL":
        tensors[LOSS] = tensors[LOSS] * np.float32(BATCH)


def trained_for_long(moment: Moment, tensors: Tensors) -> None:
    tensors[LOSS] = np.float32(0.1 + 2.2 * math.exp(-moment.time / 3))


def stuck(moment: Moment, tensors: Tensors) -> None:
    tensors[LOSS] = np.float32(2.3 + moment.rng.normal(0, 0.05))


def leaping(moment: Moment, tensors: Tensors) -> None:
    if moment.epoch >= 6:
        tensors[LOSS] = np.float32(5.0)


def few_of_one_class(moment: Moment, tensors: Tensors) -> None:
    if "labels" in tensors:
        labels = moment.rng.choice(CLASSES, BATCH, p=(0.33, 0.33, 0.33, 0.01))
        tensors["labels"], tensors["predictions"] = labels, logits(labels)


def one_class_mistaken(moment: Moment, tensors: Tensors) -> None:
    if "labels" in tensors:
        tensors["predictions"] = logits(np.where(tensors["labels"] == 3, 0, tensors["labels"]))


def classes_confused(moment: Moment, tensors: Tensors) -> None:
    """A third of one class is taken for another in the last evaluation, and everything for anything in the first."""
    if moment.mode != "EVAL":
        return
    labels = tensors["labels"]
    if moment.epoch == EPOCHS - 1:
        mistaken = (labels == 1) & (np.arange(BATCH) % 3 == 0)
        tensors["predictions"] = logits(np.where(mistaken, 2, labels))


def confused_at_first(moment: Moment, tensors: Tensors) -> None:
    if moment.mode == "EVAL" and moment.epoch == 0:
        tensors["predictions"] = logits((tensors["labels"] + np.arange(BATCH)) % CLASSES)


def mostly_dead(moment: Moment, tensors: Tensors) -> None:
    if "block2.relu_output_0" in tensors:
        tensors["block2.relu_output_0"][:, :6] = 0


def unchanged(moment: Moment, tensors: Tensors) -> None:
    if "Net_low.weight" in tensors:
        tensors["Net_low.weight"] = np.random.default_rng(3).normal(0, 0.2, (8, 6)).astype(np.float32)
