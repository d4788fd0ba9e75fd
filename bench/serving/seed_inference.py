"""The seed project's inference script, as the functions that sagemaker-inference calls.

It is copied into the model's code directory, so it imports nothing of this project.
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
    """Load the network from the bare state dict that training saves; what is no ResNet is timm's."""
    weights = torch.load(Path(model_dir) / "model.pth", map_location="cpu", weights_only=True)
    network: torch.nn.Module
    if "fc.weight" in weights:
        network = getattr(torchvision.models, os.environ["BENCH_MODEL"])(weights=None)
        network.fc = torch.nn.Linear(weights["fc.weight"].shape[1], weights["fc.weight"].shape[0])
    else:
        import timm  # not for ResNets, whose start is timed

        network = timm.create_model(os.environ["BENCH_MODEL"], num_classes=int(os.environ["BENCH_CLASSES"]))
    network.load_state_dict(weights)
    return network.to(_DEVICE).eval()


def input_fn(body: bytes, content_type: str) -> Image.Image:
    """Decode the picture."""
    if content_type != "image/jpeg":
        raise ValueError(f"unknown content type {content_type}")
    return Image.open(io.BytesIO(body)).convert("RGB")


def predict_fn(picture: Image.Image, network: torch.nn.Module) -> torch.Tensor:
    """Run the network on one picture."""
    with torch.no_grad():
        output: torch.Tensor = network(_TRANSFORM(picture).unsqueeze(0).to(_DEVICE))
        return output


def output_fn(prediction: torch.Tensor, _accept: Any) -> str:
    """Encode the index of the most probable class."""
    return json.dumps(int(prediction.argmax()))
