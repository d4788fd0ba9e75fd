"""Checks a network before any data is read."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from container.contract.errors import HyperparameterError
from container.contract.hyperparameters import TrainConfig
from container.contract.networks import is_resnet
from container.contract.recipes import MODERN_DEFAULTS
from container.networks.build import build_model
from container.networks.head import head_names

logger = logging.getLogger(__name__)

_CLASSES = 2


def check_job(config: TrainConfig) -> TrainConfig:
    """Check a job's network; one without stochastic depth is trained without, unless it was asked for.

    Args:
        config: With the image size resolved.

    Returns:
        The hyperparameters, with the drop-path that the network can have.

    Raises:
        HyperparameterError: As `check_network`.
    """
    try:
        check_network(config.model_type, config.image_size, config.drop_path)
    except HyperparameterError:
        if config.drop_path != MODERN_DEFAULTS["drop-path"]:
            raise
        check_network(config.model_type, config.image_size)
        config = replace(config, drop_path=0.0)
        logger.info("drop-path 0: %s has no stochastic depth", config.model_type)
    return config


def check_network(architecture: str, image_size: int, drop_path: float = 0.0) -> None:
    """Check that there is such a network, that it classifies, and that it takes pictures of this size.

    Args:
        architecture: The hyperparameter model-type.
        image_size: Side of its input, pixels.
        drop_path: As in `build_model`.

    Raises:
        HyperparameterError: It does not.
    """
    with torch.device("meta"):  # no memory, and no work
        model = build_model(architecture, _CLASSES, image_size=image_size, drop_path=drop_path)
    if is_resnet(architecture):
        return
    if not head_names(architecture, model):
        raise HyperparameterError(
            f"hyperparameter model-type is {architecture!r}, a network without a classifier: it gives features, not "
            "classes; choose another one, such as convnext_tiny"
        )
    patch = _patch_size(model)
    if patch and image_size % patch:
        below = max(patch, image_size // patch * patch)
        raise HyperparameterError(
            f"hyperparameter image-size is {image_size}, but {architecture} cuts pictures into patches of {patch} x "
            f"{patch} pixels: choose a multiple of {patch}, such as {below} or {below + patch}"
        )
    try:
        with torch.no_grad():
            outputs = model.eval()(torch.empty((2, 3, image_size, image_size), device="meta"))
        assert outputs.shape == (2, _CLASSES)
    except (RuntimeError, AssertionError, ValueError, IndexError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise HyperparameterError(
            f"{architecture} cannot take pictures of {image_size} x {image_size} pixels ({reason}); choose another "
            "image-size, or leave it out for the network's own"
        ) from error


def check_smaller_sizes(architecture: str, sizes: Sequence[int]) -> None:
    """Check that a network takes pictures of several sizes without being built anew, as progressive-sizes needs.

    Args:
        architecture: The hyperparameter model-type.
        sizes: Sides of pictures, pixels; the last is the one that the network is built for.

    Raises:
        HyperparameterError: It takes that one only.
    """
    if is_resnet(architecture):
        return
    with torch.device("meta"):
        model = build_model(architecture, _CLASSES, image_size=sizes[-1]).eval()
    for size in sizes[:-1]:
        try:
            with torch.no_grad():
                model(torch.empty((2, 3, size, size), device="meta"))
        except (RuntimeError, AssertionError, ValueError, IndexError) as error:
            raise HyperparameterError(
                f"hyperparameter progressive-sizes is below 1, but {architecture}, once built for pictures of "
                f"{sizes[-1]} x {sizes[-1]} pixels, does not take {size} x {size}; set progressive-sizes to 1"
            ) from error


def _patch_size(model: nn.Module) -> int:
    """Return the side of a transformer's patches; 0 if pictures of other sizes are padded, or there are none."""
    embedding = getattr(model, "patch_embed", None)
    side = getattr(embedding, "patch_size", None)
    if side is None or getattr(embedding, "dynamic_img_pad", False):
        return 0
    return int(side[0] if isinstance(side, tuple | list) else side)
