"""The input that a network expects: its size, and how a picture becomes it."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from container.contract.networks import is_resnet
from container.networks import timm_network
from container.preprocessing import Preprocessing

_RESNET_SIZE = 224


def preprocessing_for(
    architecture: str, image_size: int = 0, pretrained_cfg: Mapping[str, Any] | None = None
) -> Preprocessing:
    """Make the preprocessing that a network's pretrained weights were evaluated with.

    Args:
        architecture: The hyperparameter model-type.
        image_size: Side of the input, pixels; 0 is the network's own.
        pretrained_cfg: Of the weights' own config.json; what it lacks is timm's for the network.

    Raises:
        HyperparameterError: timm has no such network.
        ArtifactError: A value of `pretrained_cfg` is not one that preprocessing can have.
    """
    if is_resnet(architecture):
        return Preprocessing.for_size(image_size or _RESNET_SIZE)
    found = {**asdict(timm_network.configuration(architecture)), **(pretrained_cfg or {})}
    size = image_size or int(found["input_size"][-1])
    crop = min(1.0, found["crop_pct"] or 1.0)
    return Preprocessing(
        size=size,
        # A squashed picture is not cropped; the few networks that crop one are given the centre of the picture.
        resize="squash" if found["crop_mode"] == "squash" and crop == 1 else "crop",
        short_side=math.floor(size / crop),  # as timm.data.transforms_factory.transforms_imagenet_eval
        mean=tuple(found["mean"]),
        std=tuple(found["std"]),
        interpolation=found["interpolation"],
    )
