"""Runs torchvision's reference for classification (`references/classification/train.py` of pytorch/vision), with its
defaults and its options for a cosine and for label smoothing.

The script is in no package, so that its loop is written here with torch's and torchvision's own parts: SGD with
momentum 0.9, weight decay 1e-4, a learning rate of 0.1 for 256 pictures a step, random crops and flips.
"""

import torch
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from bench.accuracy.task import Curve, Task, TestPictures
from container.preprocessing import IMAGENET_MEAN, IMAGENET_STD

_RATE, _RATE_IS_FOR = 0.1, 256
_WORKERS = 16
# Of its evaluation: 256 pixels for a crop of 224.
_SHORT_SIDE = 256 / 224


def train(task: Task, *, label_smoothing: float) -> Curve:
    """Train as the reference does."""
    pictures = load_test(task)
    curve = Curve()
    dataset = ImageFolder(
        str(task.data / "train"),
        transforms.Compose(
            [
                transforms.RandomResizedCrop(task.image_size),
                transforms.RandomHorizontalFlip(),
                *_to_tensor(),
            ]
        ),
    )
    loader = DataLoader(dataset, batch_size=task.batch_size, shuffle=True, num_workers=task.workers(_WORKERS))
    model = task.network(len(dataset.classes))
    optimizer = torch.optim.SGD(
        model.parameters(), lr=_RATE * task.batch_size / _RATE_IS_FOR, momentum=0.9, weight_decay=1e-4
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=task.epochs)
    criterion = torch.nn.CrossEntropyLoss(label_smoothing=label_smoothing)
    for _ in range(task.epochs):
        model.train()
        for batch, targets in loader:
            loss = criterion(model(batch), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        curve.test(model, pictures)
    return curve


def load_test(task: Task, *, short_side: float = _SHORT_SIDE) -> TestPictures:
    """Load the test split with a centre crop.

    Args:
        task: The run.
        short_side: What the pictures' shorter side is resized to, as a multiple of the crop's.
    """
    size = task.image_size
    steps = [transforms.Resize(round(short_side * size)), transforms.CenterCrop(size), *_to_tensor()]
    return TestPictures(ImageFolder(str(task.data / "test"), transforms.Compose(steps)))


def _to_tensor() -> list[torch.nn.Module]:
    return [transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)]
