"""Runs fastai's `vision_learner(...).fine_tune(epochs)`, with its defaults: no augmentation, and an epoch of the head
alone first. fastai is no dependency of the project; it is used where it is installed."""

import torch
from fastai.vision.all import Callback, CancelValidException, ImageDataLoaders, Normalize, Resize, vision_learner
from torch import nn

from bench.accuracy.task import Curve, Task, TestPictures
from bench.accuracy.torchvision_reference import load_test
from container.preprocessing import IMAGENET_MEAN, IMAGENET_STD


def train(task: Task) -> Curve:
    """Train in one line."""
    pictures = load_test(task, short_side=1)
    curve = Curve()
    loaders = ImageDataLoaders.from_folder(
        task.data,
        valid="validation",
        item_tfms=Resize(task.image_size),
        batch_tfms=Normalize.from_stats(IMAGENET_MEAN, IMAGENET_STD),
        bs=task.batch_size,
        num_workers=task.workers(task.cpus),
        device=torch.device("cpu"),
    )
    learner = vision_learner(loaders, task.model, pretrained=False)
    body = task.network(len(loaders.vocab)).state_dict()
    missing = learner.model[0].model.load_state_dict(body, strict=False).missing_keys
    if missing:
        raise RuntimeError(f"fastai's network has tensors that the weights lack: {', '.join(missing[:3])}")
    learner.add_cb(_TestAfterEpochs(curve, pictures, learner.model))
    with learner.no_bar(), learner.no_logging():
        learner.fine_tune(task.epochs)
    return curve


class _TestAfterEpochs(Callback):  # type: ignore[misc]
    def __init__(self, curve: Curve, pictures: TestPictures, model: nn.Module) -> None:
        self._curve, self._pictures, self._model = curve, pictures, model

    def before_validate(self) -> None:
        self._curve.test(self._model, self._pictures)
        raise CancelValidException
