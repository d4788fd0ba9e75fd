"""A classifier as users of most servers write it: Pillow, torchvision's transforms, and plain torch."""

import io
import os
from collections.abc import Sequence

import torch
import torchvision
from PIL import Image

from bench.serving.workload import transform


class PlainModel:
    """The model that the environment names (see `rivals`)."""

    def __init__(self, device: str) -> None:
        weights = torch.load(os.environ["BENCH_WEIGHTS"], map_location="cpu", weights_only=True)
        name, classes = os.environ["BENCH_MODEL"], int(os.environ["BENCH_CLASSES"])
        network: torch.nn.Module
        if "fc.weight" in weights:
            network = getattr(torchvision.models, name)(weights=None, num_classes=classes)
        else:
            import timm  # not for ResNets, whose start is timed

            network = timm.create_model(name, num_classes=classes)
        network.load_state_dict(weights)
        self._network = network.to(device).eval()
        self._device = device
        self._transform = transform("crop", int(os.environ["BENCH_IMAGE_SIZE"]))

    def read(self, body: bytes) -> torch.Tensor:
        """Read a picture's file as the network's input, (3, size, size)."""
        return self._transform(Image.open(io.BytesIO(body)).convert("RGB"))

    def classes(self, pictures: Sequence[torch.Tensor]) -> list[int]:
        """Predict the most probable class of each picture."""
        with torch.inference_mode():
            output: torch.Tensor = self._network(torch.stack(list(pictures)).to(self._device))
            return [int(index) for index in output.argmax(dim=1)]
