"""The folder of a network on the Hugging Face hub: a file of weights, and config.json beside it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from container.contract.errors import WeightsError

CONFIG = "config.json"
FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of the file of weights; where both are there, they hold the same tensors."""

INPUT = ("tag", "input_size", "mean", "std", "crop_pct", "crop_mode", "interpolation")
"""What of timm's pretrained configuration the weights of a folder are described by."""


@dataclass(frozen=True)
class HubConfig:
    """What timm's config.json says."""

    architecture: str
    """timm's name of the network, without a tag."""
    pretrained_cfg: Mapping[str, Any]
    """The tag, and the input that the weights expect."""


def preferred(files: Sequence[Path]) -> Path | None:
    """Choose among the files of weights of one such folder; None if they lie elsewhere."""
    if len({file.parent for file in files}) != 1 or not (files[0].parent / CONFIG).is_file():
        return None
    by_name = {file.name: file for file in files}
    return next((by_name[name] for name in FILES if name in by_name), None)


def read_config(file: Path) -> HubConfig | None:
    """Read the config.json beside a file of weights; None if there is none, or it is not of the hub.

    Raises:
        WeightsError: It cannot be read, or is that of a network of the library transformers.
    """
    path = file.parent / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as JSON: {error}") from error
    fields = config if isinstance(config, dict) else {}
    name, found = fields.get("architecture"), fields.get("pretrained_cfg")
    if isinstance(name, str):
        known = found if isinstance(found, dict) else {}
        return HubConfig(name, {key: known[key] for key in INPUT if known.get(key)})
    if fields.get("architectures"):
        raise WeightsError(
            f"{path} is that of {', '.join(map(str, fields['architectures']))} of the library transformers, whose "
            "tensors have other names than timm's; take the network from a repository of timm's on the hub, such as "
            "timm/vit_small_patch14_dinov2.lvd142m"
        )
    return None
