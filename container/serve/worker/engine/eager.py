"""Runs the network in plain torch and float32: the reference for other engines, and needed for explanations."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import nn

from container.model_card import ModelCard
from container.networks.explained import ExplainedLayer, explained_layer
from container.preprocessing import Preprocessing
from container.serve.worker.engine.engine import Logits, Pixels
from container.serve.worker.explain import Heat
from container.serve.worker.grad_cam import grad_cam


class Eager:
    """An engine for a CPU or a GPU; on a GPU, convolutions do not use TF32, which is torch's default."""

    name = "torch"
    precision = "f32"
    method = "grad-cam"

    def __init__(self, model: nn.Module, card: ModelCard, device: torch.device) -> None:
        if device.type == "cuda":
            torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
        self.model: nn.Module = model.to(device).to(memory_format=torch.channels_last).eval()
        # Explanations need gradients of a layer's output, not of parameters.
        self.model.requires_grad_(False)
        self._preprocessing = card.preprocessing
        self._architecture = card.architecture
        self._device = device
        self.device = str(device)
        self.threads = torch.get_num_threads()

    def logits(self, squares: Sequence[Pixels]) -> Logits:
        """See `Engine`."""
        with torch.inference_mode():
            outputs: Logits = self.model(normalized(squares, self._preprocessing, self._device)).float().cpu().numpy()
        return outputs

    @property
    def layer(self) -> str:
        """See `Explainer`."""
        return self._explained_layer.name

    @cached_property
    def _explained_layer(self) -> ExplainedLayer:
        return explained_layer(self._architecture, self.model, self._preprocessing.size)

    def heat(self, squares: Sequence[Pixels], classes: Sequence[int]) -> Heat:
        """Compute where in each square the network sees a class (see `grad_cam`)."""
        batch = normalized(squares, self._preprocessing, self._device)
        return grad_cam(self.model, self._explained_layer, batch, classes)


def normalized(squares: Sequence[Pixels], preprocessing: Preprocessing, device: torch.device) -> torch.Tensor:
    """Stack squares into the network's input: float32 (N, 3, size, size) on the device."""
    return preprocessing.normalize(torch.from_numpy(np.stack(squares)).to(device))
