"""Writes the image's pretrained weights to /opt/weights/<architecture>.safetensors.

python weights.py torchvision resnet50     downloads torchvision's ImageNet weights
python weights.py file DIRECTORY           uses the user's file of weights, the only one there
"""

import os
import sys
from pathlib import Path

import safetensors.torch
import torchvision.models

from container.contract.errors import UserError, WeightsError
from container.networks.resnets import architecture_of
from container.networks.weights_file import find_weights_file, read_state_dict


def download(architecture: str) -> dict[str, object]:
    """Download torchvision's best ImageNet weights for an architecture.

    Raises:
        WeightsError: The download failed or is incomplete.
    """
    certificates = Path("/dev/shm/ca")  # noqa: S108 - a build secret
    if certificates.is_file():
        os.environ["SSL_CERT_FILE"] = str(certificates)
    try:
        weights = torchvision.models.get_model_weights(architecture).DEFAULT
        return dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"torchvision's weights of {architecture} cannot be downloaded: {error}; download them elsewhere, and "
            "pass the file: --weights FILE"
        ) from error


def main() -> None:
    how, what = sys.argv[1:]
    try:
        tensors = download(what) if how == "torchvision" else read_state_dict(find_weights_file(Path(what)))
        architecture, _ = architecture_of(tensors)
    except UserError as error:
        sys.exit(f"slipway-build: {error}")
    directory = Path("/opt/weights")
    directory.mkdir()
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    safetensors.torch.save_file(contiguous, directory / f"{architecture}.safetensors")


if __name__ == "__main__":
    main()
