"""Our side of a comparison: our own steps and loader, combined as in `container/train/loop/fit.py`."""

import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cached_property

import torch
from torch import nn

from bench.cpu_time import cpu_seconds_of
from bench.picture_set import PictureSet
from container.contract.hyperparameters import TrainConfig
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.train.data.batch_memory import AHEAD, BatchMemory
from container.train.data.channels import Splits
from container.train.data.dataset import EvaluationPictures, TrainPictures, prepare_as_served, prepare_training
from container.train.data.loading import Batch, EpochLoader
from container.train.data.order import TrainOrder, in_order
from container.train.data.picture_cache import PictureCache
from container.train.data.scan import scan
from container.train.device import Device, choose_device
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.launch.stopping import Stop
from container.train.loop.averaging import AveragedWeights
from container.train.loop.evaluate import evaluate
from container.train.loop.optimizer import make_optimizer
from container.train.loop.precision import choose_precision
from container.train.loop.stepper import Stepper
from container.train.loop.threads import Threads

_RESIDENT_BATCHES = 8
_MANY_EPOCHS = 1_000_000


class OurTraining:
    """A network, and the loaders of its pictures.

    Every measuring method takes `steps` steps, after discarding the batches that DataLoader workers had ready, so that
    no earlier work is counted.

    Args:
        pictures: The pictures of an epoch.
        config: Network, sizes, precision, workers, cache and seed.
        world: The job's processes; each of them calls every method.
        steps: Of one run; None for an epoch's.
    """

    def __init__(
        self, pictures: PictureSet, config: TrainConfig, world: World | None = None, *, steps: int | None = None
    ) -> None:
        torch.manual_seed(config.seed)
        self._pictures, self._config = pictures, config
        self._world = world or World(Rank())
        self.device: Device = choose_device(config, self._world)
        self._threads = Threads(self.device, self._world)
        model = build_model(config.model_type, pictures.class_count, image_size=config.image_size)
        model = model.to(self.device.torch_device)
        self.model = model.to(memory_format=torch.channels_last)
        self.preprocessing = Preprocessing.for_size(config.image_size)
        self.device = choose_precision(
            config, self.model, self.device, self.preprocessing, len(pictures), None, self._world
        )
        self.class_weights = torch.tensor(pictures.class_weights, device=self.device.torch_device)
        self._stepper = Stepper(
            self.model,
            make_optimizer(self.model, config),
            world=self._world,
            device=self.device,
            preprocessing=self.preprocessing,
            class_weights=self.class_weights,
            label_smoothing=config.label_smoothing,
            clip_grad=config.clip_grad,
            averages=AveragedWeights(self.model, config.ema_decay),
        )
        self._order = TrainOrder(
            count=len(pictures),
            batch_size=config.batch_size,
            seed=config.seed,
            rank=self._world.rank,
            size=self._world.size,
        )
        self._steps = steps or self._order.steps()
        self._loaders: list[EpochLoader] = []

    def epoch(self) -> float:
        """Train with the cache, as a job does by default; returns seconds per picture."""
        return self._timed(self.cached)

    def epoch_of_files(self) -> float:
        """Train without the cache; returns seconds per picture."""
        return self._timed(self.of_files)

    def limit_epoch(self) -> float:
        """Train on batches that are on the device already; returns seconds per picture."""
        return self.seconds_a_picture(self._resident, self._steps)

    def step_beside_others(self) -> None:
        """Take one step from the cache, on the threads that other programs leave CPUs for."""
        self._threads.adapt()
        self.seconds_a_picture(self.cached, 1)

    def loader_epoch(self) -> float:
        """Only load, without the cache, in this process; returns CPU seconds per picture."""
        return self._load(self._of_files_here)

    def cached_loader_epoch(self) -> float:
        """Only load, with the cache, in this process; returns CPU seconds per picture."""
        return self._load(self._cached_here)

    @cached_property
    def cache(self) -> PictureCache | None:
        """The picture cache that the first reading fills, as in a job."""
        return fill_cache(self._pictures, self._config, self._world)

    @cached_property
    def scan_s(self) -> float:
        """Seconds per picture of the first reading, which fills the cache."""
        start = time.perf_counter()
        fill_cache(self._pictures, self._config, self._world)
        return (time.perf_counter() - start) / len(self._pictures)

    def close(self) -> None:
        """Stop the DataLoader workers."""
        for loader in self._loaders:
            loader.close()

    def _stream(self, cache: PictureCache | None, workers: int) -> Iterator[Batch]:
        config = self._config
        pictures = TrainPictures(
            self._pictures.samples,
            config.augmentation,
            config.image_size,
            config.seed,
            cache=cache,
            random_erasing=config.random_erasing,
        )
        loader = EpochLoader(
            pictures,
            self._order.share,
            steps=self._order.steps(),
            last=_MANY_EPOCHS,
            memory=BatchMemory(workers=workers),
            pin=self.device.is_cuda,
        )
        self._loaders.append(loader)
        return itertools.chain.from_iterable(map(loader.batches, itertools.count(1)))

    @cached_property
    def cached(self) -> Iterator[Batch]:
        """Endless batches from the cache."""
        return self._stream(self.cache, self.device.workers)

    @cached_property
    def of_files(self) -> Iterator[Batch]:
        """Endless batches from the files."""
        return self._stream(None, self.device.workers)

    @cached_property
    def _cached_here(self) -> Iterator[Batch]:
        return self._stream(self.cache, 0)

    @cached_property
    def _of_files_here(self) -> Iterator[Batch]:
        return self._stream(None, 0)

    @cached_property
    def _resident(self) -> Iterator[Batch]:
        return itertools.cycle(self.resident_batches(_RESIDENT_BATCHES))

    def resident_batches(self, count: int) -> list[Batch]:
        """Copy the next batches of the files to the device."""
        some = itertools.islice(self.of_files, count)
        return [
            (pictures.to(self.device.torch_device), targets.to(self.device.torch_device)) for pictures, targets in some
        ]

    def seconds_a_picture(self, batches: Iterator[Batch], steps: int) -> float:
        """Train on the next batches of an iterator; returns seconds per picture, the device's work included.

        Args:
            batches: As for `Stepper.step`, of the configured batch size.
            steps: How many to take.
        """
        self._stepper.begin_epoch(1, count=steps)
        self._synchronize()
        start = time.perf_counter()
        for batch in itertools.islice(batches, steps):
            # The mean weight will do: it scales losses, and does not affect the time.
            with self._stepper.step(batch, self._config.batch_size):
                pass
        self._synchronize()
        return (time.perf_counter() - start) / (steps * self._config.batch_size)

    def _timed(self, batches: Iterator[Batch]) -> float:
        _take(batches, AHEAD * self.device.workers)
        return self.seconds_a_picture(batches, self._steps)

    def _synchronize(self) -> None:
        if self.device.is_cuda:
            torch.cuda.synchronize()

    def _load(self, batches: Iterator[Batch]) -> float:
        return cpu_seconds_of(lambda: _take(batches, self._steps)) / (self._steps * self._config.batch_size)


def fill_cache(pictures: PictureSet, config: TrainConfig, world: World) -> PictureCache | None:
    """Read all pictures once, as a job does before training; returns their cache, None if it is off.

    Args:
        pictures: The training pictures.
        config: Augmentation, size and cache.
        world: The job's processes; each of them calls this.
    """
    samples = tuple(pictures.samples)
    classes = tuple(map(str, range(pictures.class_count)))
    served = prepare_as_served(Preprocessing.for_size(config.image_size))
    found = scan(
        Splits(classes=classes, train=samples, validation=(), test=()),
        prepare={
            "train": prepare_training(config.augmentation, config.image_size),
            "validation": served,
            "test": served,
        },
        cache=config.cache,
        bad_images="fail",
        stop=Stop(),
        world=world,
    )
    return found.caches.get("train")


def _take(batches: Iterable[Batch], count: int) -> None:
    for _ in itertools.islice(batches, count):
        pass


def accuracy_of(model: nn.Module, pictures: PictureSet, config: TrainConfig, device: Device) -> float:
    """Evaluate any side's network in float32; returns accuracy from 0 to 1."""
    preprocessing = Preprocessing.for_size(config.image_size)
    batches = in_order(len(pictures), config.batch_size)
    loader = EpochLoader(
        EvaluationPictures(pictures.samples, preprocessing),
        lambda _epoch: batches,
        steps=len(batches),
        last=1,
        memory=BatchMemory(workers=device.workers),
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
