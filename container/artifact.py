"""Reads and writes the model directory, which training makes and serving loads.

`model.safetensors` holds the tensors, `model.json` everything else needed to use them. Neither holds code.
"""

import hashlib
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from container.atomic_file import write_atomically
from container.contract.errors import ArtifactError, HyperparameterError, WeightsError
from container.contract.model_files import CARD, EXPORTED, SEED_TENSORS, TENSORS
from container.contract.networks import is_resnet
from container.graph.current import TENSORS_ID
from container.model_card import ModelCard, read_card, save_card
from container.networks.blank import without_random_numbers
from container.networks.build import build_model
from container.networks.resnets import LANDMARK, architecture_of
from container.networks.state_dict import StateDict, load_exactly
from container.networks.weights_file import read_state_dict
from container.preprocessing import Preprocessing


def save(directory: Path, state_dict: StateDict, card: ModelCard) -> None:
    """Write both files atomically, so that nobody reads a half-written model. Graphs of other tensors are removed.

    Raises:
        OSError: The directory cannot be written, or the disk is full; earlier files are untouched.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in state_dict.items()}
    content = safetensors.torch.save(tensors, {TENSORS_ID: _hash(tensors)})
    directory.mkdir(parents=True, exist_ok=True)
    # The card goes last: a directory with a card is complete.
    write_atomically(directory / TENSORS, lambda path: path.write_bytes(content))
    for name in EXPORTED:
        (directory / name).unlink(missing_ok=True)
    save_card(directory, card)


def _hash(tensors: StateDict) -> str:
    found = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        found.update(name.encode())
        found.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def load(directory: Path) -> tuple[nn.Module, ModelCard]:
    """Load a model directory, or one of the seed project's form: a bare `model.pth` with a ResNet's state dict.

    Returns:
        The network in evaluation mode on the CPU, and its card.

    Raises:
        ArtifactError: A file or field is missing or wrong.
    """
    if (directory / CARD).is_file():
        card = read_card(directory)
        tensors_file = directory / TENSORS
    elif (directory / SEED_TENSORS).is_file():
        card = None
        tensors_file = directory / SEED_TENSORS
    elif not directory.is_dir():
        raise ArtifactError(f"there is no model directory {directory}")
    else:
        found = ", ".join(sorted(path.name for path in directory.iterdir())[:8])
        raise ArtifactError(
            f"no model in {directory}: it must hold {CARD} and {TENSORS}, or {SEED_TENSORS}; it holds "
            f"{found or 'nothing'}"
        )
    try:
        tensors = read_state_dict(tensors_file, LANDMARK if card is None or is_resnet(card.architecture) else "")
        card = card or seed_card(tensors)
        model = _network(card, tensors)
    except WeightsError as error:
        raise ArtifactError(f"{tensors_file.name} in {directory} cannot be used: {error}") from error
    except HyperparameterError as error:
        raise ArtifactError(f"{CARD} in {directory} cannot be used: {error}") from error
    return model, card


def _network(card: ModelCard, tensors: StateDict) -> nn.Module:
    """Build a network in evaluation mode on the CPU."""
    with without_random_numbers():
        model = build_model(card.architecture, len(card.classes), image_size=card.preprocessing.size)
    load_exactly(model, tensors)
    return model.eval()


def seed_card(tensors: dict[str, torch.Tensor]) -> ModelCard:
    """Make the card of a bare `model.pth`: classes are named by index, and pictures are resized to a shorter side of
    256 and cropped to 224 x 224, as in the seed project's training script and inference handler."""
    architecture, class_count = architecture_of(tensors)
    return ModelCard(
        architecture=architecture,
        classes=tuple(str(index) for index in range(class_count)),
        preprocessing=Preprocessing(),
    )
