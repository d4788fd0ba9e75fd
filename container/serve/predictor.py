"""The model in a worker: pictures in, probabilities out, on one device."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from container import gpu
from container.cpus import available_cpus, threads_asked_for
from container.model_card import ModelCard
from container.serve.config import ServeConfig
from container.serve.decode import Pixels
from container.serve.encode import Probabilities
from container.serve.engine import choose
from container.serve.engine.engine import Engine, Logits
from container.serve.explain import Heat, explained_layer
from container.serve.pixels import square

if TYPE_CHECKING:
    from container.serve.engine.eager import Eager


class Predictor:
    """A network on its device, and how pictures are brought to it."""

    def __init__(self, engine: Engine, card: ModelCard, eager: "Callable[[], Eager]", *, max_pixels: int) -> None:
        """
        Args:
            engine: Runs the network.
            card: The model's.
            eager: Gives the same network by plain torch, for explanations; called when the first is asked for.
            max_pixels: Above which a picture is refused.
        """
        self.engine = engine
        self.card = card
        self._load_eager = eager
        self._eager: Eager | None = None
        self._max_pixels = max_pixels

    @classmethod
    def load(cls, config: ServeConfig, gpu_id: int | None = None) -> Self:
        """Load a model directory and run it once, so that the first request finds everything in place.

        Args:
            config: The server's settings.
            gpu_id: Index of the GPU, where there is one to be used.

        Raises:
            ArtifactError: Says which file or field is missing or wrong.
            DriverError: There is a GPU, and torch cannot use it.
        """
        plain = config.plain_torch
        if config.use_cuda and gpu.look().count:
            from container.serve.device import choose_device

            device = choose_device(gpu_id, use_cuda=True)
            engine, card = choose.on_gpu(config.model_dir, device, plain=plain, batch_size=config.batch_size)
        else:
            engine, card = choose.on_cpu(config.model_dir, plain=plain, threads=threads_asked_for() or available_cpus())

        def load_eager() -> "Eager":
            from container.serve.engine.eager import Eager

            return engine if isinstance(engine, Eager) else choose.eager(config.model_dir, engine.device)[0]

        predictor = cls(engine, card, load_eager, max_pixels=config.max_pixels)
        predictor.probabilities([predictor.blank()])
        return predictor

    def blank(self) -> Pixels:
        """A black square of the network's input size, for warm-ups."""
        size = self.card.preprocessing.size
        return np.zeros((size, size, 3), np.uint8)

    def square(self, item: bytes | Pixels) -> Pixels:
        """Bring a picture, or an array of pixels (height, width, 3), to the network's input: (size, size, 3).

        Raises:
            PictureError: The picture cannot be decoded or is too large.
        """
        return square(item, self.card.preprocessing, self._max_pixels)

    def probabilities(self, squares: Sequence[Pixels]) -> Probabilities:
        """One forward pass: softmax over the classes, shape (len(squares), classes)."""
        return softmax(self.engine.logits(squares))

    @property
    def explained_layer(self) -> str:
        """The layer that explanations look at."""
        return explained_layer(self.card.preprocessing.size)

    def heat(self, squares: Sequence[Pixels], classes: Sequence[int]) -> Heat:
        """Where in each square the network sees a class, by plain torch: see `grad_cam`."""
        if self._eager is None:
            self._eager = self._load_eager()
        return self._eager.heat(squares, classes)


def softmax(logits: Logits) -> Probabilities:
    """Probabilities of shape (N, classes), float32."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float32)
    found: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return found
