"""A plain loop, of the seed project's form: one process loads and trains by turns, in float32, and reads loss and
accuracy off the device at each step."""

import time

import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from bench.cpu_time import cpu_seconds_of
from bench.picture_set import PictureSet
from container.model import build_model
from container.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from container.train.hyperparameters import TrainConfig


class PlainTraining:
    """A network of ours, trained so. Each method takes one epoch.

    Args:
        pictures: What an epoch goes through.
        config: Network, sizes and seed.
        device: Where.
    """

    def __init__(self, pictures: PictureSet, config: TrainConfig, device: torch.device) -> None:
        torch.manual_seed(config.seed)
        self._device, self._count = device, len(pictures)
        dataset = ImageFolder(str(pictures.folder), _transform(config.image_size))
        dataset.samples = [(str(sample.path), sample.target) for sample in pictures.samples]
        self._loader: DataLoader[tuple[torch.Tensor, torch.Tensor]] = DataLoader(
            dataset, batch_size=config.batch_size, shuffle=True
        )
        self.model = build_model(config.model_type, pictures.class_count).to(device)
        self._criterion = torch.nn.CrossEntropyLoss(weight=torch.tensor(pictures.class_weights, device=device))
        self._optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.opt_learning_rate, weight_decay=config.opt_weight_decay
        )

    def epoch(self) -> float:
        """Train; returns seconds a picture."""
        self.model.train()
        start = time.perf_counter()
        # Our device's choice is for the whole process, and not torch's own.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=True):
            self._train()
        return (time.perf_counter() - start) / self._count

    def loader_epoch(self) -> float:
        """Load, and do nothing else; returns CPU seconds a picture."""

        def load() -> None:
            for _ in self._loader:
                pass

        return cpu_seconds_of(load) / self._count

    def _train(self) -> None:
        running_loss, correct = 0.0, 0
        for pictures, targets in self._loader:
            pictures, targets = pictures.to(self._device), targets.to(self._device)
            self._optimizer.zero_grad()
            outputs = self.model(pictures)
            loss = self._criterion(outputs, targets)
            loss.backward()
            self._optimizer.step()
            running_loss += loss.item() * len(targets)
            correct += int((outputs.argmax(1) == targets).sum().item())


def _transform(size: int) -> transforms.Compose:
    return transforms.Compose(
        [
            transforms.RandomHorizontalFlip(),
            transforms.RandomRotation(15),
            transforms.RandomResizedCrop(size),
            transforms.ColorJitter(brightness=0.2, contrast=0.2),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ]
    )
