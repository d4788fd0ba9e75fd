"""The model directory: what training leaves and serving reads.

`model.safetensors` holds the tensors, `model.json` everything else that is needed to use them. Nothing in
either is executable.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import safetensors.torch
import torch
from torch import nn

from container.atomic_file import write_atomically
from container.errors import ArtifactError, WeightsError
from container.model import ARCHITECTURES, StateDict, architecture_of, build_model, load_exactly
from container.preprocessing import Preprocessing
from container.weights import read_state_dict

FORMAT_VERSION = 1
TENSORS = "model.safetensors"
CARD = "model.json"
SEED_TENSORS = "model.pth"


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What `model.json` says."""

    architecture: str
    classes: tuple[str, ...]
    """Class names, in the order of the network's outputs."""
    preprocessing: Preprocessing
    training: dict[str, Any] = field(default_factory=dict)
    """Data counts, final metrics, hyperparameters, library versions; for people, not needed to predict."""

    def to_json(self) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "architecture": self.architecture,
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.to_json(),
            "training": self.training,
        }

    @classmethod
    def from_json(cls, fields: object) -> Self:
        """Check and read; an ArtifactError names the field that does not fit."""
        if not isinstance(fields, dict):
            raise ArtifactError(f"{CARD} is not a JSON object")
        version = fields.get("format_version")
        if version != FORMAT_VERSION:
            raise ArtifactError(
                f"{CARD}: format_version is {version!r}; this version of Slipway reads {FORMAT_VERSION}"
            )
        architecture = fields.get("architecture")
        if architecture not in ARCHITECTURES:
            raise ArtifactError(f"{CARD}: architecture is {architecture!r}; it is one of {', '.join(ARCHITECTURES)}")
        classes = fields.get("classes")
        if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
            raise ArtifactError(f"{CARD}: classes is not a list of names")
        if len(set(classes)) != len(classes):
            raise ArtifactError(f"{CARD}: classes names a class twice")
        training = fields.get("training", {})
        if not isinstance(training, dict):
            raise ArtifactError(f"{CARD}: training is not an object")
        return cls(
            architecture=architecture,
            classes=tuple(classes),
            preprocessing=Preprocessing.from_json(fields.get("preprocessing")),
            training=training,
        )


def save(directory: Path, state_dict: StateDict, card: ModelCard) -> None:
    """Write both files aside and move them into place, so that no half-written model is ever found.

    Raises:
        OSError: The directory cannot be written, or the disk is full; what was there before is untouched.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in state_dict.items()}
    directory.mkdir(parents=True, exist_ok=True)
    # The card goes last: a directory with a card is complete.
    write_atomically(directory / TENSORS, lambda path: path.write_bytes(safetensors.torch.save(tensors)))
    save_card(directory, card)


def save_card(directory: Path, card: ModelCard) -> None:
    """Write `model.json` alone, for a model whose tensors are there already.

    Raises:
        OSError: As `save`.
    """
    text = json.dumps(card.to_json(), indent=2, ensure_ascii=False) + "\n"
    write_atomically(directory / CARD, lambda path: path.write_text(text, encoding="utf-8"))


def load(directory: Path) -> tuple[nn.Module, ModelCard]:
    """Load a model directory, or the seed project's form: a bare `model.pth` with a ResNet's state dict.

    Returns:
        The network in evaluation mode on the CPU, and its card.

    Raises:
        ArtifactError: Says which file or field is missing or wrong.
    """
    if (directory / CARD).is_file():
        card = read_card(directory)
        tensors_file = directory / TENSORS
    elif (directory / SEED_TENSORS).is_file():
        card = None
        tensors_file = directory / SEED_TENSORS
    else:
        found = ", ".join(sorted(path.name for path in directory.iterdir())[:8]) if directory.is_dir() else "nothing"
        raise ArtifactError(
            f"no model in {directory}: it must hold {CARD} and {TENSORS}, or {SEED_TENSORS}; it holds "
            f"{found or 'nothing'}"
        )
    try:
        tensors = read_state_dict(tensors_file)
        card = card or seed_card(tensors)
        with torch.device("meta"):
            model = build_model(card.architecture, len(card.classes))
        model = model.to_empty(device="cpu")
        load_exactly(model, tensors)
    except WeightsError as error:
        raise ArtifactError(f"{tensors_file.name} in {directory} cannot be used: {error}") from error
    return model.eval(), card


def read_card(directory: Path) -> ModelCard:
    """Read `model.json` alone.

    Raises:
        ArtifactError: It is missing, not JSON, or a field is wrong.
    """
    path = directory / CARD
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactError(f"there is no {CARD} in {directory}") from error
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read as JSON: {error}") from error
    return ModelCard.from_json(fields)


def seed_card(tensors: dict[str, torch.Tensor]) -> ModelCard:
    """The card of a bare `model.pth`: classes are called by their index, and pictures are squashed to
    224 x 224, as the seed project's inference handler does."""
    architecture, class_count = architecture_of(tensors)
    return ModelCard(
        architecture=architecture,
        classes=tuple(str(index) for index in range(class_count)),
        preprocessing=Preprocessing(resize="squash"),
    )
