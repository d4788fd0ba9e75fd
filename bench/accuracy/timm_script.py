"""Runs timm's training script (`train.py` of huggingface/pytorch-image-models), with its defaults and for fine-tuning.

The script is not in timm's package, so that its loop is written here with timm's own loader, loss, optimizer,
scheduler and averaged weights, called as the script calls them.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from timm.data import create_dataset, create_loader, resolve_data_config
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import ModelEmaV3

from bench.accuracy.task import Curve, Task, TestPictures

_WORKERS = 4
_RATE_IS_FOR = 256


@dataclass(frozen=True, kw_only=True)
class Options:
    """The script's options; the defaults are its own."""

    opt: str = "sgd"
    lr_base: float = 0.1
    weight_decay: float = 2e-5
    warmup_epochs: int = 5
    sched_on_updates: bool = False
    drop_path: float = 0.0
    model_ema: bool = False

    def rate(self, batch_size: int) -> float:
        """The learning rate: proportional to the batch, for adaptive optimizers to its square root."""
        scale = batch_size / _RATE_IS_FOR
        return self.lr_base * (math.sqrt(scale) if "ada" in self.opt else scale)


DEFAULTS = Options()
# The script has no preset for it. These are its options that are usual for fine-tuning; RandAugment and random erasing,
# which are for long runs, are left out.
FINE_TUNING = Options(
    opt="adamw",
    lr_base=2e-3,
    weight_decay=0.05,
    warmup_epochs=1,
    sched_on_updates=True,
    drop_path=0.1,
    model_ema=True,
)


def train(task: Task, options: Options) -> Curve:
    """Train as the script does."""
    size = (3, task.image_size, task.image_size)
    settings = resolve_data_config({"input_size": size}, model=task.network(2))
    pictures, validation = (_pictures(task, split, settings) for split in ("test", "validation"))
    curve = Curve()
    train_set = create_dataset("", root=str(task.data), split="train", is_training=True)
    model = task.network(len(train_set.reader.class_to_idx), drop_path=options.drop_path)
    loader = create_loader(
        train_set,
        **{**_used(settings), "interpolation": "random"},
        batch_size=task.batch_size,
        is_training=True,
        num_workers=task.workers(_WORKERS),
        device=torch.device("cpu"),
    )
    optimizer = create_optimizer_v2(
        model, opt=options.opt, lr=options.rate(task.batch_size), weight_decay=options.weight_decay, momentum=0.9
    )
    schedule, _ = create_scheduler_v2(
        optimizer,
        num_epochs=task.epochs,
        warmup_epochs=options.warmup_epochs,
        step_on_epochs=not options.sched_on_updates,
        updates_per_epoch=len(loader),
    )
    average = ModelEmaV3(model, decay=0.9998, use_warmup=True) if options.model_ema else None
    criterion = LabelSmoothingCrossEntropy(smoothing=0.1)
    updates = 0
    for epoch in range(task.epochs):
        model.train()
        for batch, targets in loader:
            loss = criterion(model(batch), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if average is not None:
                average.update(model, step=updates)
            updates += 1
            schedule.step_update(updates)
        tested = model if average is None else average.module
        with curve.paused():
            accuracy = validation.accuracy_of(tested)
        curve.test(tested, pictures, loss=-accuracy)  # the script saves the one with the best accuracy
        schedule.step(epoch + 1)
    return curve


def _pictures(task: Task, split: str, settings: dict[str, Any]) -> TestPictures:
    dataset = create_dataset("", root=str(task.data), split=split, is_training=False)
    options = _used(settings, "crop_pct")
    create_loader(dataset, **options, batch_size=1, use_prefetcher=False, device=torch.device("cpu"))  # sets transforms
    return TestPictures(dataset)


def _used(settings: dict[str, Any], *more: str) -> dict[str, Any]:
    return {name: settings[name] for name in ("input_size", "interpolation", "mean", "std", *more)}
