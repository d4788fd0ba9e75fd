"""The loaders that `bench.loader` compares: ours, and those of other libraries.

All of them decode a JPEG, crop 8 to 100 % of its area at an aspect ratio of 3:4 to 4:3, resize that, flip half of the
pictures, and normalise: batches are float32 (N, 3, size, size). Everything happens in this process.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from bench.our_training import fill_cache
from bench.picture_set import PictureSet
from container.contract.hyperparameters import TrainConfig
from container.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from container.train.data.augmentation import Augmentation
from container.train.data.batch_memory import BatchMemory
from container.train.data.channels import Sample, list_splits
from container.train.data.dataset import TrainPictures
from container.train.data.loading import EpochLoader
from container.train.data.order import TrainOrder
from container.train.data.picture_cache import PictureCache
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank

_AREA = (0.08, 1.0)
_RATIO = (3 / 4, 4 / 3)
_CROP_AND_FLIP = Augmentation(flip=0.5, degrees=0, area=_AREA, ratio=_RATIO, light=0)
_MANY_EPOCHS = 1_000_000
_SHUFFLED = 1000
"""Pictures in webdataset's shuffle buffer."""

Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]
Epoch = Callable[[], Batches]
"""Loads all pictures once, in a new random order."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """The pictures to load, and how."""

    pictures: PictureSet
    channels: Path
    """Its train folder has the same pictures in tar shards."""
    folder: Path
    """An empty folder, for the form that a contender reads."""
    size: int
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A loader."""

    label: str
    make: Callable[[Task], Epoch]
    """Raises ImportError if its library is not installed."""
    package: str = ""
    """What to install, if it is optional."""


def _ours(task: Task, samples: Sequence[Sample], cache: PictureCache | None = None) -> Epoch:
    pictures = TrainPictures(samples, "default", task.size, seed=0, cache=cache)
    pictures.augmentation = _CROP_AND_FLIP  # the default also rotates and changes the light, which others do not
    order = TrainOrder(count=len(samples), batch_size=task.batch_size, seed=0)
    memory = BatchMemory(workers=0)
    loader = EpochLoader(pictures, order.share, steps=order.steps(), last=_MANY_EPOCHS, memory=memory, pin=False)
    normalize = Preprocessing.for_size(task.size).normalizer(torch.device("cpu"))
    epochs = itertools.count(1)
    return lambda: ((normalize(batch), targets) for batch, targets in loader.batches(next(epochs)))


def _ours_from_files(task: Task) -> Epoch:
    return _ours(task, task.pictures.samples)


def _ours_from_shards(task: Task) -> Epoch:
    return _ours(task, list_splits(task.channels).train)


def _ours_from_cache(task: Task) -> Epoch:
    cache = fill_cache(task.pictures, TrainConfig(image_size=task.size, cache="on"), World(Rank()))
    if cache is None or cache.count < len(task.pictures):
        raise OSError("the disk has no room for the picture cache; lower --pictures, or set TMPDIR to a larger disk")
    return _ours(task, task.pictures.samples, cache)


def _torchvision_decoder(size: int) -> Callable[[bytes], torch.Tensor]:
    from torchvision.io import ImageReadMode, decode_image
    from torchvision.transforms import v2

    transform = v2.Compose(
        [
            v2.RandomResizedCrop(size, scale=_AREA, ratio=_RATIO, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )

    def decode(data: bytes) -> torch.Tensor:
        encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        pixels: torch.Tensor = transform(decode_image(encoded, ImageReadMode.RGB))
        return pixels

    return decode


class _Files(Dataset[tuple[torch.Tensor, int]]):
    def __init__(self, samples: Sequence[Sample], decode: Callable[[bytes], torch.Tensor]) -> None:
        self._samples, self._decode = samples, decode

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        sample = self._samples[index]
        return self._decode(sample.path.read_bytes()), sample.target


def _torchvision(task: Task) -> Epoch:
    dataset = _Files(task.pictures.samples, _torchvision_decoder(task.size))
    loader: Batches = DataLoader(dataset, batch_size=task.batch_size, shuffle=True)
    return lambda: loader


def _timm(task: Task) -> Epoch:
    from bench.timm_training import timm_loader

    device = torch.device("cpu")
    loader = timm_loader(
        task.pictures,
        size=task.size,
        batch_size=task.batch_size,
        color_jitter=None,
        interpolation="bilinear",
        workers=0,
        device=device,
    )
    return lambda: loader


def _webdataset(task: Task) -> Epoch:
    from webdataset import WebDataset

    shards = sorted(map(str, (task.channels / "train").iterdir()))
    dataset = WebDataset(shards, shardshuffle=len(shards)).shuffle(_SHUFFLED).to_tuple("jpg", "cls")
    dataset = dataset.map_tuple(_torchvision_decoder(task.size), int)
    loader: Batches = DataLoader(dataset, batch_size=task.batch_size)
    return lambda: loader


def _streaming(task: Task) -> Epoch:
    from streaming import MDSWriter, StreamingDataset

    folder = str(task.folder / "mds")
    with MDSWriter(out=folder, columns={"picture": "bytes", "target": "int"}) as writer:
        for sample in task.pictures.samples:
            writer.write({"picture": sample.path.read_bytes(), "target": sample.target})
    dataset = StreamingDataset(local=folder, shuffle=True, batch_size=task.batch_size)
    decode = _torchvision_decoder(task.size)

    def collate(read: Sequence[dict[str, Any]]) -> tuple[torch.Tensor, torch.Tensor]:
        pictures, targets = default_collate([(decode(each["picture"]), each["target"]) for each in read])
        return pictures, targets

    loader: Batches = DataLoader(dataset, batch_size=task.batch_size, collate_fn=collate)
    return lambda: loader


def _dali(task: Task) -> Epoch:
    from nvidia.dali import fn, pipeline_def, types
    from nvidia.dali.plugin.pytorch import DALIGenericIterator, LastBatchPolicy

    # One thread, and no batch prepared ahead: all CPU time is that of the epoch in which it is counted.
    @pipeline_def(  # type: ignore[untyped-decorator]
        batch_size=task.batch_size, num_threads=1, device_id=None, prefetch_queue_depth=1, exec_async=False, seed=0
    )
    def pipeline() -> tuple[Any, Any]:
        files = [str(sample.path) for sample in task.pictures.samples]
        labels = [sample.target for sample in task.pictures.samples]
        jpegs, targets = fn.readers.file(files=files, labels=labels, random_shuffle=True, name="reader")
        # Ours decodes with the fast transform, too.
        cropped = fn.decoders.image_random_crop(
            jpegs, random_area=_AREA, random_aspect_ratio=_RATIO, use_fast_idct=True
        )
        pictures = fn.crop_mirror_normalize(
            fn.resize(cropped, resize_x=task.size, resize_y=task.size),
            mirror=fn.random.coin_flip(),
            mean=[255 * mean for mean in IMAGENET_MEAN],
            std=[255 * std for std in IMAGENET_STD],
            dtype=types.FLOAT,
            output_layout="CHW",
        )
        return pictures, targets

    loader = DALIGenericIterator(
        [pipeline()],
        ["pictures", "targets"],
        reader_name="reader",
        auto_reset=True,
        last_batch_policy=LastBatchPolicy.PARTIAL,
    )
    return lambda: ((one["pictures"], one["targets"][:, 0]) for (one,) in loader)


CONTENDERS = {
    "files": Contender(label="ours, from JPEG files", make=_ours_from_files),
    "shards": Contender(label="ours, from tar shards", make=_ours_from_shards),
    "cache": Contender(label="ours, from its picture cache", make=_ours_from_cache),
    "torchvision": Contender(label="torchvision v2, DataLoader, from JPEG files", make=_torchvision),
    "timm": Contender(label="timm's loader, from JPEG files", make=_timm, package="timm"),
    "dali": Contender(label="DALI on the CPU, from JPEG files", make=_dali, package="nvidia-dali-cuda130"),
    "webdataset": Contender(label="webdataset, from tar shards", make=_webdataset, package="webdataset"),
    "streaming": Contender(label="MosaicML streaming, from MDS shards", make=_streaming, package="mosaicml-streaming"),
}
OURS = ("files", "shards", "cache")
