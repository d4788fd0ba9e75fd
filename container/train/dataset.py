"""Pictures to batches: uint8 on the CPU, normalised later on the device."""

import signal
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from PIL import Image
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler
from torchvision.transforms import v2

from container.picture import read_picture
from container.preprocessing import Preprocessing
from container.train.channels import Sample

Key = tuple[int, int]
"""Epoch and index: augmentation is a function of both and the seed, so workers and restarts change nothing."""

# RandomResizedCrop takes 8 % of the area at the least: a shorter side of four inputs still gives such a crop
# more pixels than the input has.
TRAIN_SHRINK_FACTOR = 4


def train_augmentation(kind: str, size: int) -> Callable[[Image.Image], object]:
    """How a training picture is varied; the result is size x size.

    Args:
        kind: `default` is the seed project's, in its order: flip, rotation by up to 15 degrees,
            RandomResizedCrop, brightness and contrast by up to 20 %. `light` neither mirrors nor cuts much away,
            for pictures whose sides and edges mean something. `none` is the centre square.
        size: Side of the network's input, pixels.
    """
    if kind == "none":
        return Preprocessing(size=size, short_side=size).to_array
    light = kind == "light"
    transform: Callable[[Image.Image], object] = v2.Compose(
        [
            v2.RandomHorizontalFlip(0 if light else 0.5),
            v2.RandomRotation(10 if light else 15, interpolation=v2.InterpolationMode.BILINEAR),
            v2.RandomResizedCrop(size, scale=(0.7 if light else 0.08, 1), antialias=True),
            v2.ColorJitter(brightness=0.2, contrast=0.2),
        ]
    )
    return transform


class TrainPictures(Dataset[tuple[torch.Tensor, int]]):
    """Augmented pictures: uint8 (size, size, 3) and the class index, by (epoch, index)."""

    def __init__(self, samples: Sequence[Sample], augmentation: str, size: int, seed: int) -> None:
        self.samples = samples
        self.augment = train_augmentation(augmentation, size)
        self.shrink_to = TRAIN_SHRINK_FACTOR * size
        self.seed = seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> tuple[torch.Tensor, int]:
        epoch, index = key
        sample = self.samples[index]
        picture = read_picture(sample.path, shrink_to=self.shrink_to)
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed, which also records a stack trace for CUDA: longer than the augmentation itself.
            torch.default_generator.manual_seed(hash((self.seed, epoch, index)))
            pixels = np.array(self.augment(picture))
        return torch.from_numpy(pixels), sample.target


class EvaluationPictures(Dataset[tuple[torch.Tensor, int]]):
    """Pictures as serving sees them: uint8 (size, size, 3) and the class index."""

    def __init__(self, samples: Sequence[Sample], preprocessing: Preprocessing) -> None:
        self.samples = samples
        self.preprocessing = preprocessing

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        sample = self.samples[index]
        picture = read_picture(sample.path, shrink_to=self.preprocessing.shrink_to)
        return torch.from_numpy(self.preprocessing.to_array(picture).copy()), sample.target


class EpochSampler(Sampler[Key]):
    """Every index once, in an order given by seed and epoch; can begin part of the way through an epoch."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed
        self.epoch = 1
        self.skip = 0
        """Pictures of this epoch already trained on, before an interruption."""

    def __iter__(self) -> Iterator[Key]:
        generator = torch.Generator().manual_seed(hash((self.seed, self.epoch)))
        order = torch.randperm(self.count, generator=generator).tolist()
        return iter([(self.epoch, index) for index in order[self.skip :]])

    def __len__(self) -> int:
        return max(0, self.count - self.skip)


class TrainBatchSampler(BatchSampler):
    """Batches of an EpochSampler, of which each process of a job takes its share.

    There is no last batch that would leave a process a single picture: batch normalisation cannot learn from it.
    """

    def __init__(self, sampler: EpochSampler, batch_size: int, *, rank: int = 0, size: int = 1) -> None:
        super().__init__(sampler, batch_size, drop_last=False)  # type: ignore[arg-type]  # its keys are pairs
        self.rank = rank
        self.size = size
        self.fewest = 1 if batch_size == 1 else 2 * size

    def whole(self) -> Iterator[list[Key]]:
        """What all processes together train on in each step."""
        for batch in super().__iter__():
            if len(batch) >= self.fewest:
                yield batch  # type: ignore[misc]  # torch's annotation says list[int]

    def __iter__(self) -> Iterator[list[Key]]:  # type: ignore[override]
        for batch in self.whole():
            yield batch[self.rank :: self.size]

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size + (count % self.batch_size >= self.fewest)


def _ignore_interrupt(_worker: int) -> None:
    """A terminal sends Ctrl-C to all processes; readers must not be taken away from training by it. They end when
    training does, by SIGTERM, which therefore stays."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def train_loader(
    pictures: TrainPictures, batches: TrainBatchSampler, *, workers: int, pin: bool
) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """Batches (uint8 (N, size, size, 3), int64 (N,)) of the epoch that the sampler of `batches` is set to."""
    return DataLoader(
        pictures,  # type: ignore[arg-type]
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=pin,
        persistent_workers=workers > 0,
        worker_init_fn=_ignore_interrupt,
    )


def evaluation_loader(
    pictures: EvaluationPictures, *, batch_size: int, workers: int, pin: bool
) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """Batches (uint8 (N, size, size, 3), int64 (N,)), in the order of the samples."""
    return DataLoader(
        pictures,  # type: ignore[arg-type]
        batch_size=batch_size,
        num_workers=workers,
        pin_memory=pin,
        persistent_workers=workers > 0,
        worker_init_fn=_ignore_interrupt,
    )
