"""The loaders of a job's splits."""

from typing import Literal

from container.preprocessing import Preprocessing
from container.train.data.dataset import EvaluationPictures, TrainPictures
from container.train.data.loading import EpochLoader
from container.train.data.order import in_order
from container.train.data.training_sizes import TrainingSizes
from container.train.loop.job import Job


def train_loader(job: Job) -> EpochLoader:
    """Load this process's share of each training batch, augmented, for all epochs."""
    config = job.config
    pictures = TrainPictures(
        job.splits.train,
        config.augmentation,
        config.image_size,
        config.seed,
        cache=job.caches.get("train"),
        bad_images=config.bad_images,
        interpolation=job.preprocessing.interpolation,
        rand_magnitude=config.rand_magnitude,
        random_erasing=config.random_erasing,
        mean=job.preprocessing.mean,
        sizes=TrainingSizes.of(config),
    )
    return EpochLoader(
        pictures,
        job.order.share,
        steps=job.order.steps(),
        last=config.epochs,
        memory=job.batch_memory,
        pin=job.device.is_cuda,
    )


def evaluation_loader(
    job: Job, split: Literal["train", "validation", "test"], preprocessing: Preprocessing, last: int
) -> EpochLoader:
    """Load this process's share of a split as serving reads it, in its order, up to `last` times."""
    samples = getattr(job.splits, split)
    mine = range(job.world.rank, len(samples), job.world.size)
    cache = None if split == "train" else job.caches.get(split)  # training pictures are cached to be augmented
    pictures = EvaluationPictures([samples[index] for index in mine], preprocessing, cache=cache, indices=mine)
    batches = in_order(len(mine), job.config.batch_size)
    return EpochLoader(
        pictures,
        lambda _epoch: batches,
        steps=len(batches),
        last=last,
        memory=job.batch_memory,
        pin=job.device.is_cuda,
    )
