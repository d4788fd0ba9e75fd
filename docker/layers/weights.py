"""Writes the image's pretrained weights to /opt/weights: <architecture>.safetensors of a ResNet, and a folder of that
name, as on the Hugging Face hub, of a network of timm's.

python weights.py download convnext_tiny        downloads torchvision's or timm's weights
python weights.py given DIRECTORY [NETWORK]     uses the user's file or folder, all that is in the directory
"""

import json
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch

from container.contract.errors import UserError, WeightsError
from container.contract.networks import is_resnet
from container.networks.build import build_model
from container.networks.download import download
from container.networks.hub_folder import CONFIG, FILES, INPUT, read_config
from container.networks.pretrained import landmark, load_pretrained
from container.networks.resnets import architecture_of
from container.networks.timm_network import configuration
from container.networks.weights_file import find_weights_file, read_state_dict

_OUTPUT = Path("/opt/weights")


def downloaded(network: str) -> Path:
    """Download the pretrained weights of a network.

    Raises:
        WeightsError: They cannot be downloaded; the log says why.
    """
    certificates = Path("/dev/shm/ca")  # noqa: S108 - a build secret
    if certificates.is_file():
        os.environ["SSL_CERT_FILE"] = str(certificates)
    found = download(network)
    if found is None:
        raise WeightsError(
            f"the weights of {network} cannot be downloaded; download them elsewhere, and pass the file: --weights FILE"
        )
    return found[1]


def network_of(file: Path) -> str:
    """Say whose weights these are.

    Raises:
        WeightsError: Neither a config.json nor the tensors say so.
    """
    if config := read_config(file):
        return config.architecture
    try:
        return architecture_of(read_state_dict(file))[0]
    except WeightsError as error:
        raise WeightsError(f"{error}. Name another network before its file: --weights NETWORK=FILE") from error


def write(file: Path, network: str, pretrained_cfg: Mapping[str, Any]) -> None:
    """Check that the tensors are those of the network, and write them.

    Args:
        file: The file of weights.
        network: As the hyperparameter model-type.
        pretrained_cfg: Of the weights, for config.json.

    Raises:
        UserError: The tensors are not the network's, or there is no such network.
    """
    model = build_model(network, 2)
    tensors = read_state_dict(file, landmark(network, model))
    load_pretrained(model, tensors, network)
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    if is_resnet(network):
        safetensors.torch.save_file(contiguous, _OUTPUT / f"{network}.safetensors")
        return
    folder = _OUTPUT / network.partition(".")[0]
    folder.mkdir()
    safetensors.torch.save_file(contiguous, folder / FILES[0])
    own = {key: pretrained_cfg[key] for key in INPUT if pretrained_cfg.get(key)}
    (folder / CONFIG).write_text(json.dumps({"architecture": folder.name, "pretrained_cfg": own}))


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    how, what, *given = sys.argv[1:]
    try:
        _OUTPUT.mkdir()
        if how == "download":
            file, network = downloaded(what), what
        else:
            file = find_weights_file(Path(what))
            network = given[0] if given else network_of(file)
        own = {} if is_resnet(network) else asdict(configuration(network))
        if how == "given":
            # Weights of the user's own have no tag of timm's, unless they say so themselves.
            config = read_config(file)
            own |= {"tag": network.partition(".")[2], **(config.pretrained_cfg if config else {})}
        write(file, network, own)
    except UserError as error:
        sys.exit(f"slipway-build: {error}")


if __name__ == "__main__":
    main()
