"""Finds the pretrained weights that were put into the image when it was built."""

import os
from pathlib import Path

from container.networks.hub_folder import FILES, read_config
from container.networks.weights_file import SUFFIXES

# build.sh --weights puts a file or folder here that is named for its architecture.
_BAKED = "SLIPWAY_WEIGHTS_DIR"
_BAKED_DEFAULT = "/opt/slipway/weights"


def baked_file(architecture: str) -> Path | None:
    """Find a network's file of weights in the image; None if it has none."""
    directory = Path(os.environ.get(_BAKED) or _BAKED_DEFAULT)
    for suffix in SUFFIXES:
        if (file := directory / f"{architecture}{suffix}").is_file():
            return file
    name, _, tag = architecture.partition(".")
    for file in (directory / name / file for file in FILES):
        found = read_config(file) if file.is_file() else None
        if found and tag in ("", found.pretrained_cfg.get("tag")):
            return file
    return None
