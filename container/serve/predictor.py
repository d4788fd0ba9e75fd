"""The model in a worker: pictures in, probabilities out, on one device."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import nn

from container import artifact, cuda
from container.artifact import ModelCard
from container.picture import read_picture
from container.preprocessing import Preprocessing
from container.serve.decode import Pixels
from container.serve.encode import Probabilities
from container.serve.explain import Seen, explained_layer, grad_cam


class Predictor:
    """A network in evaluation mode on its device, and how pictures are brought to it."""

    def __init__(self, model: nn.Module, card: ModelCard, device: torch.device, *, max_pixels: int) -> None:
        # torch's stubs lack this overload.
        self.model: nn.Module = model.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        # An explanation derives by a layer's output, never by parameters.
        self.model.requires_grad_(False)
        self.card = card
        self.device = device
        self.max_pixels = max_pixels

    @classmethod
    def load(cls, model_dir: Path, device: torch.device, *, max_pixels: int) -> Self:
        """Load a model directory and run it once, so that the first request finds everything in place.

        Raises:
            ArtifactError: Says which file or field is missing or wrong.
        """
        model, card = artifact.load(model_dir)
        predictor = cls(model, card, device, max_pixels=max_pixels)
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
        return square(item, self.card.preprocessing, self.max_pixels)

    def probabilities(self, squares: Sequence[Pixels]) -> Probabilities:
        """One forward pass: softmax over the classes, shape (len(squares), classes)."""
        batch = normalized(squares, self.card.preprocessing, self.device)
        with torch.inference_mode():
            return softmax(self.model(batch))

    @property
    def explained_layer(self) -> str:
        """The layer that explanations look at."""
        return explained_layer(self.card.preprocessing.size)

    def explained(self, squares: Sequence[Pixels], classes: Sequence[int | None]) -> Seen:
        """The same forward pass, and where in each square a class was seen: see `explain.grad_cam`."""
        batch = normalized(squares, self.card.preprocessing, self.device)
        return grad_cam(self.model, self.explained_layer, batch, classes)


def square(item: bytes | Pixels, preprocessing: Preprocessing, max_pixels: int) -> Pixels:
    """As `Predictor.square`."""
    if isinstance(item, bytes):
        return preprocessing.to_array(read_picture(item, shrink_to=preprocessing.shrink_to, max_pixels=max_pixels))
    return preprocessing.to_array(Image.fromarray(np.ascontiguousarray(item)))


def normalized(squares: Sequence[Pixels], preprocessing: Preprocessing, device: torch.device) -> torch.Tensor:
    """Stack squares into the network's input: float32 (N, 3, size, size) on the device."""
    return preprocessing.normalize(torch.from_numpy(np.stack(squares)).to(device))


def softmax(logits: torch.Tensor) -> Probabilities:
    """Probabilities of shape (N, classes), float32 in main memory."""
    values: Probabilities = torch.softmax(logits.float(), dim=1).cpu().numpy()
    return values


def choose_device(gpu_id: int | None, *, use_cuda: bool) -> torch.device:
    """The GPU that multi-model-server gave to this worker, else the first that torch sees, else the CPU.

    Raises:
        DriverError: There is a GPU, and torch cannot use it.
    """
    found = cuda.cuda_device(gpu_id or 0) if use_cuda else None
    return found or torch.device("cpu")
