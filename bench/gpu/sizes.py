"""Sizes of the measurements: in full, and for trying out the code in two minutes."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes that every part works with."""

    model: str
    image_size: int
    """Pixels."""
    batches: tuple[int, ...]
    """Batch sizes of the training step on pictures that are on the device already."""
    compared: tuple[int, ...]
    """Batch sizes at which whole training loops are compared; the last one is also profiled and compiled."""
    loader_batch: int
    """Batch size of the seed project's loop, and of loading without training."""
    pictures: int
    """JPEG files to generate."""
    measured_s: float
    """Seconds of one measurement, after warming up."""
    rounds: int
    warm_up_steps: int
    served: int
    """Pictures for requests, at least 16."""
    served_batches: tuple[int, ...]
    """Pictures in a forward pass."""
    at_once: tuple[int, ...]
    """Simultaneous requests."""
    workers: tuple[int, ...]
    """Workers that share the device."""
    job: dict[str, str]
    """Hyperparameters of the interrupted job."""


_JOB = {
    "model-type": "resnet18",
    "weights": "none",
    "augmentation": "light",
    "opt-learning-rate": "0.001",
    "export": "false",
}

FULL = Sizes(
    model="resnet50",
    image_size=224,
    batches=(64, 256, 1024),
    compared=(64, 256),
    loader_batch=64,
    pictures=1536,
    measured_s=1.2,
    rounds=3,
    warm_up_steps=5,
    served=64,
    served_batches=(1, 2, 4, 8, 16, 32, 64),
    at_once=(1, 8, 32, 128),
    workers=(2, 4),
    job=_JOB | {"image-size": "64", "batch-size": "64", "epochs": "6"},
)

QUICK = Sizes(
    model="test_resnet",
    image_size=32,
    batches=(4,),
    compared=(4,),
    loader_batch=4,
    pictures=16,
    measured_s=0.05,
    rounds=1,
    warm_up_steps=1,
    served=16,
    served_batches=(1, 4),
    at_once=(1, 8),
    workers=(2,),
    job=_JOB | {"image-size": "32", "batch-size": "8", "epochs": "4", "num-workers": "0"},
)
