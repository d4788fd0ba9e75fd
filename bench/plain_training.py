"""A plain training loop like the seed project's: one process loads and trains in turn, in float32, and reads loss and
accuracy from the device at each step."""

import time

import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from bench.cpu_time import cpu_seconds_of
from bench.picture_set import PictureSet
from container.contract.hyperparameters import TrainConfig
from container.networks.build import build_model
from container.preprocessing import IMAGENET_MEAN, IMAGENET_STD


class PlainTraining:
    """One of our networks in a plain loop; each method runs one epoch.

    Args:
        pictures: The pictures of an epoch.
        config: Network, sizes and seed.
        device: Where to train.
        model: The network, on the device; by default one with random weights.
    """

    def __init__(
        self, pictures: PictureSet, config: TrainConfig, device: torch.device, model: torch.nn.Module | None = None
    ) -> None:
        torch.manual_seed(config.seed)
        self._device, self._count = device, len(pictures)
        dataset = ImageFolder(str(pictures.folder), _transform(config.image_size))
        dataset.samples = [(str(sample.path), sample.target) for sample in pictures.samples]
        self._loader: DataLoader[tuple[torch.Tensor, torch.Tensor]] = DataLoader(
            dataset, batch_size=config.batch_size, shuffle=True
        )
        self.model = model or build_model(config.model_type, pictures.class_count).to(device)
        self._criterion = torch.nn.CrossEntropyLoss(weight=torch.tensor(pictures.class_weights, device=device))
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.opt_learning_rate, weight_decay=config.opt_weight_decay
        )

    def epoch(self) -> float:
        """Train; returns seconds per picture."""
        self.model.train()
        start = time.perf_counter()
        # Torch's defaults; our own training changes them for the whole process.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, allow_tf32=True):
            self._train()
        return (time.perf_counter() - start) / self._count

    def loader_epoch(self) -> float:
        """Only load; returns CPU seconds per picture."""

        def load() -> None:
            for _ in self._loader:
                pass

        return cpu_seconds_of(load) / self._count

    def _train(self) -> None:
        running_loss, correct = 0.0, 0
        for pictures, targets in self._loader:
            pictures, targets = pictures.to(self._device), targets.to(self._device)
            self.optimizer.zero_grad()
            outputs = self.model(pictures)
            loss = self._criterion(outputs, targets)
            loss.backward()
            self.optimizer.step()
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
