"""The folder of a network on the Hugging Face hub: a file of weights, and config.json beside it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from container.contract.errors import WeightsError

CONFIG = "config.json"
# Both hold the same tensors.
_FILES = ("model.safetensors", "pytorch_model.bin")


def preferred(files: Sequence[Path]) -> Path | None:
    """Choose among the files of weights of one such folder; None if they lie elsewhere."""
    if len({file.parent for file in files}) != 1 or not (files[0].parent / CONFIG).is_file():
        return None
    by_name = {file.name: file for file in files}
    return next((by_name[name] for name in _FILES if name in by_name), None)


def pretrained_cfg(file: Path, architecture: str) -> dict[str, Any]:
    """Read timm's pretrained configuration beside a file of weights; empty if there is none.

    Args:
        file: The file of weights.
        architecture: The hyperparameter model-type.

    Raises:
        WeightsError: config.json cannot be read, or is that of another network.
    """
    path = file.parent / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(config, dict):
        raise WeightsError(f"{path} is not a JSON object")
    own = config.get("architecture")
    if own is None and config.get("architectures"):
        raise WeightsError(
            f"{path} describes {', '.join(map(str, config['architectures']))} of Hugging Face's transformers, whose "
            "tensors timm cannot read; take the same network from a repository of timm's, such as "
            "timm/vit_small_patch14_dinov2.lvd142m"
        )
    if own is not None and own != architecture.partition(".")[0]:
        raise WeightsError(f"{path} describes {own}, but model-type is {architecture}; set model-type to {own}")
    found = config.get("pretrained_cfg", {})
    known = ("input_size", "mean", "std", "crop_pct", "crop_mode", "interpolation")
    return {name: found[name] for name in known if name in found} if isinstance(found, dict) else {}
