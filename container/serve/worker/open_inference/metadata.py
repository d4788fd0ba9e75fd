"""A model's tensors in the Open Inference Protocol: their names, data types and shapes."""

from typing import Any

from container.model_card import ModelCard
from container.serve.protocol.open_inference import VERSION

INPUT = "image"
PROBABILITIES, LABEL = "probabilities", "label"


def tensor(name: str, datatype: str, *shape: int) -> dict[str, Any]:
    """Describe a tensor; a dimension of variable size is -1."""
    return {"name": name, "datatype": datatype, "shape": [*shape]}


def metadata(name: str, card: ModelCard) -> dict[str, Any]:
    """Describe a model to its clients, who call it `name`.

    The input also takes UINT8 (pictures, height, width, 3), which the protocol has no means to say.
    """
    return {
        "name": name,
        "versions": [VERSION],
        "platform": f"slipway_{card.architecture}",
        "inputs": [tensor(INPUT, "BYTES", -1)],
        "outputs": [tensor(PROBABILITIES, "FP32", -1, len(card.classes)), tensor(LABEL, "BYTES", -1)],
    }
