"""A network together with the normalisation of its input, as it is exported."""

import torch
from torch import nn

from container.preprocessing import Preprocessing


class PixelsToLogits(nn.Module):
    """Takes what serving has: uint8 pictures (N, size, size, 3); returns logits, float32 (N, classes)."""

    def __init__(self, network: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.network = network
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", 255 * torch.tensor(preprocessing.mean))
        self.register_buffer("std", 255 * torch.tensor(preprocessing.std))
        self.eval()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Normalise and run the network."""
        values = (pixels.to(torch.float32) - self.mean) / self.std
        logits: torch.Tensor = self.network(values.permute(0, 3, 1, 2))
        return logits
