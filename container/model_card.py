"""`model.json`: everything needed to use a model except its tensors. Does not import torch."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from container.atomic_file import write_atomically
from container.contract.errors import ArtifactError
from container.contract.model_files import CARD
from container.contract.networks import may_be_network
from container.preprocessing import Preprocessing

FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """The content of `model.json`."""

    architecture: str
    classes: tuple[str, ...]
    """Class names, in the order of the network's outputs."""
    preprocessing: Preprocessing
    weights: dict[str, str] = field(default_factory=dict)
    """The pretrained weights that training began with: their source, and their file's sha256; empty if it began with
    random ones."""
    training: dict[str, Any] = field(default_factory=dict)
    """Data counts, final metrics, hyperparameters, library versions; for people, not needed to predict."""
    calibration: dict[str, Any] = field(default_factory=dict)
    """What makes the probabilities as high as they are right: `temperature`, which divides the logits before the
    softmax; `reject_below`, the probability below which an answer is better rejected; `typical_logits`, the highest
    logit of a typical picture and its others, and `distance_above`, the distance from them above which a picture is
    unlike the training data; the number of validation `pictures` that all are from. Empty if nothing was."""
    export: dict[str, Any] = field(default_factory=dict)
    """What is known of the graphs in the model directory, by file name, and under `tensors` the id of the tensors that
    they were made from; under `failed` why there are none. Empty if none were made."""

    @property
    def temperature(self) -> float:
        """Divides the logits before the softmax."""
        return float(self.calibration.get("temperature", 1.0))

    @property
    def typical_logits(self) -> tuple[float, float] | None:
        """The highest logit of a typical picture, and its others."""
        found = self.calibration.get("typical_logits")
        return (float(found[0]), float(found[1])) if found else None

    def to_json(self) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "architecture": self.architecture,
            "classes": list(self.classes),
            "preprocessing": self.preprocessing.to_json(),
            "weights": self.weights,
            "training": self.training,
            "calibration": self.calibration,
            "export": self.export,
        }

    @classmethod
    def from_json(cls, fields: object) -> Self:
        """Read and check the fields; an ArtifactError names the one that is wrong."""
        if not isinstance(fields, dict):
            raise ArtifactError(f"{CARD} is not a JSON object")
        version = fields.get("format_version")
        if version != FORMAT_VERSION:
            raise ArtifactError(
                f"{CARD}: format_version is {version!r}; this version of Slipway reads {FORMAT_VERSION}"
            )
        architecture = fields.get("architecture")
        if not isinstance(architecture, str) or not may_be_network(architecture):
            raise ArtifactError(f"{CARD}: architecture is {architecture!r}, which is no network's name")
        classes = fields.get("classes")
        if not isinstance(classes, list) or not classes or not all(isinstance(name, str) for name in classes):
            raise ArtifactError(f"{CARD}: classes is not a list of names")
        if len(set(classes)) != len(classes):
            raise ArtifactError(f"{CARD}: classes names a class twice")
        training = fields.get("training", {})
        if not isinstance(training, dict):
            raise ArtifactError(f"{CARD}: training is not an object")
        weights = fields.get("weights", {})
        if not isinstance(weights, dict) or not all(isinstance(value, str) for value in weights.values()):
            raise ArtifactError(f"{CARD}: weights is not an object of texts")
        export = fields.get("export", {})
        if not isinstance(export, dict):
            raise ArtifactError(f"{CARD}: export is not an object")
        calibration = fields.get("calibration", {})
        if not isinstance(calibration, dict):
            raise ArtifactError(f"{CARD}: calibration is not an object")
        for name in ("temperature", "reject_below", "distance_above"):
            value = calibration.get(name, 1)
            if not isinstance(value, int | float) or not 0 < value < math.inf:
                raise ArtifactError(f"{CARD}: {name} in calibration is {value!r}; it must be a number above 0")
        typical = calibration.get("typical_logits", [0, 0])
        if (
            not isinstance(typical, list)
            or len(typical) != 2
            or not all(isinstance(value, int | float) and math.isfinite(value) for value in typical)
        ):
            raise ArtifactError(f"{CARD}: typical_logits in calibration is {typical!r}; it must be two numbers")
        return cls(
            architecture=architecture,
            classes=tuple(classes),
            preprocessing=Preprocessing.from_json(fields.get("preprocessing")),
            weights=weights,
            training=training,
            calibration=calibration,
            export=export,
        )


def save_card(directory: Path, card: ModelCard) -> None:
    """Write `model.json` alone, for a model whose tensors are already saved.

    Raises:
        OSError: It cannot be written.
    """
    text = json.dumps(card.to_json(), indent=2, ensure_ascii=False) + "\n"
    write_atomically(directory / CARD, lambda path: path.write_text(text, encoding="utf-8"))


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
