"""Whether a model directory's graphs were made from its tensors."""

from pathlib import Path

import safetensors

from container.contract.model_files import CARD, GRAPH, TENSORS
from container.model_card import ModelCard

TENSORS_ID = "id"
"""Key in the metadata of `model.safetensors`: a hash of the tensors."""


def why_not_usable(directory: Path, card: ModelCard) -> str:
    """Say why `model.onnx` must not be used in place of the tensors; empty if it may.

    A directory without tensors is its graph alone.
    """
    if not (directory / GRAPH).is_file():
        return f"there is no {GRAPH}"
    if GRAPH not in card.export:
        return f"{CARD} says nothing of {GRAPH}"
    if (directory / TENSORS).is_file() and tensors_id(directory) != card.export.get("tensors"):
        return f"{GRAPH} was made from other tensors than those in {TENSORS}"
    return ""


def tensors_id(directory: Path) -> str:
    """Read the id of the tensors; empty if the file has none, or is no file of tensors."""
    try:
        with safetensors.safe_open(directory / TENSORS, "numpy") as file:
            return str((file.metadata() or {}).get(TENSORS_ID, ""))
    except (OSError, safetensors.SafetensorError):
        return ""
