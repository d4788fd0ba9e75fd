"""Our side: the engine's own steps on the project's own loader, put together as `container/train/fit.py` does."""

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

import torch
from torch import nn

from bench.cpu_time import cpu_seconds_of
from bench.picture_set import PictureSet
from container.model import build_model
from container.preprocessing import Preprocessing
from container.train.channels import Splits
from container.train.dataset import EvaluationPictures, TrainPictures, prepare_as_served, prepare_training
from container.train.device import Device, choose_device
from container.train.distributed import World
from container.train.engine import WholeBatch, evaluate, train_steps
from container.train.hosts import Rank
from container.train.hyperparameters import TrainConfig
from container.train.loading import AHEAD, Batch, Loader
from container.train.losses import Losses
from container.train.order import TrainOrder, in_order
from container.train.picture_cache import PictureCache
from container.train.scan import scan
from container.train.stopping import Stop

_RESIDENT_BATCHES = 8
_MANY_EPOCHS = 1_000_000


class OurTraining:
    """A network, and the loaders of its pictures.

    Every method but `close` takes as many steps as an epoch has. What readers had ready before is taken away first, so
    that nothing is counted that was done before.

    Args:
        pictures: What an epoch goes through.
        config: Network, sizes, precision, workers, cache and seed.
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
            model.parameters(), lr=config.opt_learning_rate, weight_decay=config.opt_weight_decay, fused=True
        )
        self._scaler = torch.amp.GradScaler(self.device.torch_device.type, enabled=self.device.scales_gradients)
        self._preprocessing = Preprocessing.for_size(config.image_size)
        self._class_weights = torch.tensor(pictures.class_weights, device=self.device.torch_device)
        self._order = TrainOrder(
            count=len(pictures),
            batch_size=config.batch_size,
            seed=config.seed,
            rank=self._world.rank,
            size=self._world.size,
        )
        self._loaders: list[Loader] = []

    def epoch(self) -> float:
        """Train, as a job does by default: with the cache; returns seconds a picture."""
        return self._timed(self._cached)

    def epoch_of_files(self) -> float:
        """Train without the cache; returns seconds a picture."""
        return self._timed(self._of_files)

    def limit_epoch(self) -> float:
        """As many of the same steps on batches that the device has already; returns seconds a picture."""
        return self._timed(self._resident)

    def loader_epoch(self) -> float:
        """Load without the cache in this process, and do nothing else; returns CPU seconds a picture."""
        return self._load(self._of_files_here)

    def cached_loader_epoch(self) -> float:
        """Likewise, with the cache."""
        return self._load(self._cached_here)

    @cached_property
    def cache(self) -> PictureCache | None:
        """What the first reading keeps, as a job's does."""
        return self._scan()

    @cached_property
    def scan_s(self) -> float:
        """Seconds a picture of the first reading, which keeps what it read."""
        start = time.perf_counter()
        self._scan()
        return (time.perf_counter() - start) / len(self._pictures)

    def close(self) -> None:
        """End the processes that load."""
        for loader in self._loaders:
            loader.close()

    def _scan(self) -> PictureCache | None:
        samples = tuple(self._pictures.samples)
        classes = tuple(map(str, range(self._pictures.class_count)))
        served = prepare_as_served(self._preprocessing)
        found = scan(
            Splits(classes=classes, train=samples, validation=(), test=()),
            prepare={
                "train": prepare_training(self._config.augmentation, self._config.image_size),
                "validation": served,
                "test": served,
            },
            cache=self._config.cache,
            bad_images="fail",
            stop=Stop(),
            world=self._world,
        )
        return found.caches.get("train")

    def _stream(self, cache: PictureCache | None, workers: int) -> Iterator[Batch]:
        config = self._config
        pictures = TrainPictures(
            self._pictures.samples, config.augmentation, config.image_size, config.seed, cache=cache
        )
        loader = Loader(
            pictures,
            self._order.share,
            steps=self._order.steps(),
            last=_MANY_EPOCHS,
            workers=workers,
            pin=self.device.is_cuda,
        )
        self._loaders.append(loader)
        return itertools.chain.from_iterable(map(loader.batches, itertools.count(1)))

    @cached_property
    def _cached(self) -> Iterator[Batch]:
        return self._stream(self.cache, self.device.workers)

    @cached_property
    def _of_files(self) -> Iterator[Batch]:
        return self._stream(None, self.device.workers)

    @cached_property
    def _cached_here(self) -> Iterator[Batch]:
        return self._stream(self.cache, 0)

    @cached_property
    def _of_files_here(self) -> Iterator[Batch]:
        return self._stream(None, 0)

    @cached_property
    def _resident(self) -> Iterator[Batch]:
        some = itertools.islice(self._of_files_here, _RESIDENT_BATCHES)
        return itertools.cycle([tuple(part.to(self.device.torch_device) for part in batch) for batch in some])  # type: ignore[misc]

    def _timed(self, batches: Iterator[Batch]) -> float:
        if batches is not self._resident:
            _take(batches, AHEAD * self.device.workers)
        self.model.train()
        steps = self._order.steps()
        # The weight is the mean one: it says how large losses are, not how long a step takes.
        whole = [WholeBatch(pictures=self._config.batch_size, weight=self._config.batch_size)] * steps
        start = time.perf_counter()
        for _ in train_steps(
            self._network,
            itertools.islice(batches, steps),
            whole,
            self._optimizer,
            self._scaler,
            losses=Losses(self._world, self.device, done=0, count=steps),
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

    def _load(self, batches: Iterator[Batch]) -> float:
        return cpu_seconds_of(lambda: _take(batches, self._order.steps())) / len(self._pictures)


def _take(batches: Iterable[Batch], count: int) -> None:
    for _ in itertools.islice(batches, count):
        pass


def accuracy_of(model: nn.Module, pictures: PictureSet, config: TrainConfig, device: Device) -> float:
    """The share of pictures, from 0 to 1, that a network of any side is right about, in float32."""
    preprocessing = Preprocessing.for_size(config.image_size)
    batches = in_order(len(pictures), config.batch_size)
    loader = Loader(
        EvaluationPictures(pictures.samples, preprocessing),
        lambda _epoch: batches,
        steps=len(batches),
        last=1,
        workers=device.workers,
        pin=device.is_cuda,
    )
    evaluation = evaluate(
        model,
        loader.batches(1),
        class_count=pictures.class_count,
        preprocessing=preprocessing,
        device=replace(device, amp_dtype=None),
        class_weights=None,
        stop=Stop(),
        world=World(Rank()),
    )
    loader.close()
    return evaluation.accuracy / 100
