"""The network by plain torch, in float32: what every other engine is measured by, and what explanations need."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from container.preprocessing import Preprocessing
from container.serve.engine.engine import Logits, Pixels
from container.serve.explain import Heat, explained_layer
from container.serve.grad_cam import grad_cam


class Eager:
    """On a CPU or a GPU."""

    name = "torch"
    precision = "f32"

    def __init__(self, model: nn.Module, preprocessing: Preprocessing, device: torch.device) -> None:
        self.model: nn.Module = model.to(device).to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        # An explanation derives by a layer's output, never by parameters.
        self.model.requires_grad_(False)
        self._preprocessing = preprocessing
        self._device = device
        self.device = str(device)
        self.threads = torch.get_num_threads()

    def logits(self, squares: Sequence[Pixels]) -> Logits:
        """See `Engine`."""
        with torch.inference_mode():
            outputs: Logits = self.model(normalized(squares, self._preprocessing, self._device)).float().cpu().numpy()
        return outputs

    def heat(self, squares: Sequence[Pixels], classes: Sequence[int]) -> Heat:
        """Where in each square the network sees a class: see `grad_cam`."""
        batch = normalized(squares, self._preprocessing, self._device)
        return grad_cam(self.model, explained_layer(self._preprocessing.size), batch, classes)


def normalized(squares: Sequence[Pixels], preprocessing: Preprocessing, device: torch.device) -> torch.Tensor:
    """Stack squares into the network's input: float32 (N, 3, size, size) on the device."""
    return preprocessing.normalize(torch.from_numpy(np.stack(squares)).to(device))
