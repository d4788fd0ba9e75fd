"""What the seed project's inference script does, in the functions that sagemaker-inference asks for.

It is copied into the model's code directory, and is on its own there.
"""

import io
import json
import os
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image
from torchvision import transforms

_SIZE = int(os.environ["BENCH_IMAGE_SIZE"])
_TRANSFORM = transforms.Compose(
    [
        transforms.Resize((_SIZE, _SIZE)),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)
_DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def model_fn(model_dir: str) -> torch.nn.Module:
    """The network from the bare state dict that its training leaves."""
    weights = torch.load(Path(model_dir) / "model.pth", map_location="cpu", weights_only=True)
    network: torch.nn.Module = getattr(torchvision.models, os.environ["BENCH_MODEL"])(weights=None)
    network.fc = torch.nn.Linear(weights["fc.weight"].shape[1], weights["fc.weight"].shape[0])
    network.load_state_dict(weights)
    return network.to(_DEVICE).eval()


def input_fn(body: bytes, content_type: str) -> Image.Image:
    """The picture."""
    if content_type != "image/jpeg":
        raise ValueError(f"unknown content type {content_type}")
    return Image.open(io.BytesIO(body)).convert("RGB")


def predict_fn(picture: Image.Image, network: torch.nn.Module) -> torch.Tensor:
    """The network's output for one picture."""
    with torch.no_grad():
        output: torch.Tensor = network(_TRANSFORM(picture).unsqueeze(0).to(_DEVICE))
        return output


def output_fn(prediction: torch.Tensor, _accept: Any) -> str:
    """The most probable class's index."""
    return json.dumps(int(prediction.argmax()))
