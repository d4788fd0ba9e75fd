"""What every contender is given: pictures, weights, seed, sizes, and the clock that its training runs against."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import Dataset

from container.networks.build import build_model
from container.networks.pretrained import landmark, load_pretrained
from container.networks.weights_file import read_weights_file

Transform = Callable[[object], torch.Tensor]
_EVALUATED_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class Task:
    """One run's inputs."""

    data: Path
    """A folder with `train`, `validation` and `test`, each an ImageFolder with the same classes."""
    weights: Path
    model: str
    """The network, by timm's name."""
    image_size: int
    batch_size: int
    epochs: int
    seed: int
    cpus: int
    ours: dict[str, str] = field(default_factory=dict)
    """Further hyperparameters of our recipes."""

    def workers(self, default: int) -> int:
        """Limit a contender's default number of DataLoader workers to the CPUs."""
        return min(default, self.cpus)

    def network(self, class_count: int, *, drop_path: float = 0.0) -> nn.Module:
        """Build the network with the pretrained weights and a new head, on the CPU."""
        model = build_model(self.model, class_count, image_size=self.image_size, drop_path=drop_path)
        load_pretrained(model, read_weights_file(self.weights, landmark(self.model, model)), self.model)
        return model


@dataclass(frozen=True)
class Point:
    """An accuracy, and when it was reached."""

    seconds: float
    """Training time until then, without tests."""
    accuracy: float
    """From 0 to 1, on the test split, with the network that is saved then."""
    current: float
    """The same with the network as it is then."""


class Curve:
    """Accuracy over training time; the clock starts when this is made, and stands still during tests."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self._best = math.inf
        self._saved = 0.0
        self._stood_still = 0.0
        self._start = time.perf_counter()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock within the context."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._stood_still += time.perf_counter() - start

    def test(self, model: nn.Module, pictures: "TestPictures", *, loss: float = -math.inf) -> None:
        """Add a point; leaves the network in evaluation mode.

        Args:
            model: The network as it is now.
            pictures: The test split.
            loss: By which the contender decides, on the validation split, whether to save it; saved without one.
        """
        seconds = time.perf_counter() - self._start - self._stood_still
        with self.paused():
            current = pictures.accuracy_of(model)
        if loss < self._best or loss == -math.inf:
            self._best, self._saved = loss, current
        self.points.append(Point(seconds, self._saved, current))


class TestPictures:
    """A split to test on, as a contender's network sees it, kept in memory.

    Args:
        dataset: Pairs of a picture, as the network takes it, and its class index.
        prepare: Applied to each batch first.
    """

    __test__ = False  # not pytest's

    def __init__(
        self,
        dataset: Dataset[tuple[torch.Tensor, int]],
        prepare: Callable[[torch.Tensor], torch.Tensor] = lambda pictures: pictures,
    ) -> None:
        pairs = [dataset[index] for index in range(len(dataset))]  # type: ignore[arg-type]
        self._pictures = torch.stack([picture for picture, _ in pairs])
        self._targets = torch.tensor([target for _, target in pairs])
        self._prepare = prepare

    @torch.inference_mode()
    def accuracy_of(self, model: nn.Module) -> float:
        """Test in float32; returns the accuracy from 0 to 1."""
        model.eval()
        batches = zip(
            torch.split(self._pictures, _EVALUATED_AT_ONCE), torch.split(self._targets, _EVALUATED_AT_ONCE), strict=True
        )
        correct = sum(int((model(self._prepare(batch)).argmax(1) == targets).sum()) for batch, targets in batches)
        return correct / len(self._targets)
