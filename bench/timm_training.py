"""Runs timm's loader and step as its training script does (`train.py` of huggingface/pytorch-image-models), with that
script's defaults."""

import contextlib
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial

import torch
from timm.data import create_dataset, create_loader
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.utils import AverageMeter, NativeScaler

from bench.picture_set import PictureSet
from container.contract.hyperparameters import TrainConfig
from container.networks.build import build_model
from container.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from container.train.device import Device


def timm_loader(
    pictures: PictureSet,
    *,
    size: int,
    batch_size: int,
    color_jitter: tuple[float, float, float] | None,
    interpolation: str,
    workers: int,
    device: torch.device,
) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    """Make timm's training loader: normalised float32 (N, 3, size, size) on the device, and targets.

    Args:
        pictures: The pictures of an epoch.
        size: Side of the network's input, pixels.
        batch_size: A last batch that is smaller is dropped.
        color_jitter: Largest changes of brightness, contrast and saturation, as fractions.
        interpolation: `bilinear`, `bicubic`, or `random` for either.
        workers: DataLoader workers; 0 loads in this process.
        device: Where batches are normalised.
    """
    dataset = create_dataset("", root=str(pictures.folder), split="train", is_training=True)
    dataset.reader.samples = [(str(sample.path), sample.target) for sample in pictures.samples]
    loader: Iterable[tuple[torch.Tensor, torch.Tensor]] = create_loader(
        dataset,
        input_size=(3, size, size),
        batch_size=batch_size,
        is_training=True,
        scale=(0.08, 1.0),
        ratio=(3 / 4, 4 / 3),
        hflip=0.5,
        color_jitter=color_jitter,
        interpolation=interpolation,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        num_workers=workers,
        persistent_workers=workers > 0,
        device=device,
    )
    return loader


class TimmTraining:
    """One of our networks under timm: with --opt adamw, --channels-last, and --amp in our precision if we use it.

    Its augmentation equals ours except for rotation, which timm lacks: crops from 8 % of the area, flips, brightness
    and contrast by 20 %.

    Args:
        pictures: The pictures of an epoch.
        config: Network, sizes and seed.
        device: Device, precision, and number of workers.
    """

    def __init__(self, pictures: PictureSet, config: TrainConfig, device: Device) -> None:
        torch.manual_seed(config.seed)
        self._device, self._count = device, len(pictures)
        self._loader = timm_loader(
            pictures,
            size=config.image_size,
            batch_size=config.batch_size,
            color_jitter=(0.2, 0.2, 0.0),
            interpolation="random",
            workers=device.workers,
            device=device.torch_device,
        )
        model = build_model(config.model_type, pictures.class_count).to(device.torch_device)
        self._model = model.to(memory_format=torch.channels_last)
        self._criterion = LabelSmoothingCrossEntropy(smoothing=0.1).to(device.torch_device)
        self._optimizer = create_optimizer_v2(
            self._model, opt="adamw", lr=config.opt_learning_rate, weight_decay=config.opt_weight_decay
        )
        self._autocast: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext
        if device.amp_dtype is not None:
            self._autocast = partial(torch.autocast, device_type=device.torch_device.type, dtype=device.amp_dtype)
        self._scaler = NativeScaler(device=device.torch_device.type) if device.scales_gradients else None

    def epoch(self) -> float:
        """Train; returns seconds per picture."""
        self._model.train()
        start = time.perf_counter()
        losses = AverageMeter()
        self._optimizer.zero_grad()
        for pictures, targets in self._loader:
            pictures = pictures.contiguous(memory_format=torch.channels_last)
            with self._autocast():
                loss = self._criterion(self._model(pictures), targets)
            if self._scaler is not None:
                self._scaler(loss, self._optimizer)
            else:
                loss.backward()
                self._optimizer.step()
            losses.update(loss.item(), len(targets))
            self._optimizer.zero_grad()
        if self._device.is_cuda:
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / self._count
