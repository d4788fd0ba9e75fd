"""Our side: the engine's own steps on the project's own loader, put together as `container/train/fit.py` does."""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from bench.cpu_time import cpu_seconds_of
from bench.picture_set import PictureSet
from container.model import build_model
from container.preprocessing import Preprocessing
from container.train.dataset import (
    EpochSampler,
    EvaluationPictures,
    TrainBatchSampler,
    TrainPictures,
    evaluation_loader,
    train_loader,
)
from container.train.device import Device, choose_device
from container.train.distributed import World
from container.train.engine import Batches, WholeBatch, evaluate, train_steps
from container.train.hosts import Rank
from container.train.hyperparameters import TrainConfig
from container.train.stopping import Stop

Batch = tuple[torch.Tensor, torch.Tensor]
_RESIDENT_BATCHES = 8


class OurTraining:
    """A network, and the loaders of its pictures.

    Every method but `close` takes one epoch from its begin to its end, so that nothing is read ahead before, and
    nothing is left to be read after.

    Args:
        pictures: What an epoch goes through.
        config: Network, sizes, precision, workers and seed.
        world: The processes of the job; every one of them calls every method.
    """

    def __init__(self, pictures: PictureSet, config: TrainConfig, world: World | None = None) -> None:
        torch.manual_seed(config.seed)
        self._pictures, self._config = pictures, config
        self._world = world or World(Rank())
        self.device: Device = choose_device(config, self._world)
        model = build_model(config.model_type, pictures.class_count).to(self.device.torch_device)
        self.model = model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self._network: nn.Module = self._world.parallel(self.model)
        self._optimizer = torch.optim.AdamW(
            model.parameters(), lr=config.opt_learning_rate, weight_decay=config.opt_weight_decay
        )
        self._scaler = torch.amp.GradScaler(self.device.torch_device.type, enabled=self.device.scales_gradients)
        self._preprocessing = Preprocessing.for_size(config.image_size)
        self._class_weights = torch.tensor(pictures.class_weights, device=self.device.torch_device)
        self._sampler = EpochSampler(len(pictures), config.seed)
        self._batches = TrainBatchSampler(
            self._sampler, config.batch_size, rank=self._world.rank, size=self._world.size
        )
        self._loader = self._make_loader(cached=False)
        self._cached_loader = self._make_loader(cached=True)

    def _make_loader(self, *, cached: bool) -> Batches:
        samples, config = self._pictures.samples, self._config
        # CACHE: `cached` says nothing yet; where it is true, this line is to give TrainPictures a cache.
        pictures = TrainPictures(samples, config.augmentation, config.image_size, config.seed)
        return train_loader(pictures, self._batches, workers=self.device.workers, pin=self.device.is_cuda)

    def epoch(self) -> float:
        """Train; returns seconds a picture."""
        self._sampler.epoch += 1
        return self._timed(self._loader)

    def limit_epoch(self) -> float:
        """As many of the same steps on batches that the device has already; returns seconds a picture."""
        return self._timed(self._resident)

    def loader_epoch(self) -> float:
        """Load, and do nothing else; returns CPU seconds a picture."""
        return self._load(self._loader)

    def cached_loader_epoch(self) -> float:
        """Likewise, with the cache."""
        return self._load(self._cached_loader)

    def close(self) -> None:
        """End the processes that load."""
        del self._loader, self._cached_loader

    def _timed(self, batches: Batches) -> float:
        self.model.train()
        start = time.perf_counter()
        for _ in train_steps(
            self._network,
            batches,
            self._whole_batches(),
            self._optimizer,
            self._scaler,
            world=self._world,
            preprocessing=self._preprocessing,
            device=self.device,
            class_weights=self._class_weights,
            label_smoothing=self._config.label_smoothing,
        ):
            pass
        if self.device.is_cuda:
            torch.cuda.synchronize()
        return (time.perf_counter() - start) / len(self._pictures)

    def _whole_batches(self) -> list[WholeBatch]:
        weights, samples = self._pictures.class_weights, self._pictures.samples
        return [
            WholeBatch(pictures=len(keys), weight=sum(weights[samples[index].target] for _, index in keys))
            for keys in self._batches.whole()
        ]

    def _load(self, batches: Batches) -> float:
        self._sampler.epoch += 1

        def load() -> None:
            for _ in batches:
                pass

        return cpu_seconds_of(load) / len(self._pictures)

    @cached_property
    def _resident(self) -> Batches:
        kept: list[Batch] = []
        for pictures, targets in self._loader:
            if len(kept) < _RESIDENT_BATCHES:
                kept.append((pictures.to(self.device.torch_device), targets.to(self.device.torch_device)))
        return DataLoader(_Repeated(kept, len(self._batches)), batch_size=None)


class _Repeated(Dataset[Batch]):
    def __init__(self, batches: Sequence[Batch], count: int) -> None:
        self._batches, self._count = batches, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Batch:
        return self._batches[index % len(self._batches)]


def accuracy_of(model: nn.Module, pictures: PictureSet, config: TrainConfig, device: Device) -> float:
    """The share of pictures, from 0 to 1, that a network of any side is right about, in float32."""
    preprocessing = Preprocessing.for_size(config.image_size)
    batches = evaluation_loader(
        EvaluationPictures(pictures.samples, preprocessing),
        batch_size=config.batch_size,
        workers=device.workers,
        pin=device.is_cuda,
    )
    evaluation = evaluate(
        model,
        batches,
        class_count=pictures.class_count,
        preprocessing=preprocessing,
        device=replace(device, amp_dtype=None),
        class_weights=None,
        stop=Stop(),
        world=World(Rank()),
    )
    return evaluation.accuracy / 100
