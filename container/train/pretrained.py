"""Where a network's first weights come from."""

import logging
import os
import socket
from pathlib import Path
from urllib.error import URLError

import torch
import torchvision.models
from torch import nn

from container.model import build_model
from container.train.channels import find_channel
from container.train.distributed import World
from container.train.hyperparameters import TrainConfig
from container.weights import SUFFIXES, find_weights_file, load_pretrained, read_state_dict

logger = logging.getLogger(__name__)

# Where build.sh --weights puts a file named for its architecture.
_BAKED = "SLIPWAY_WEIGHTS_DIR"
_BAKED_DEFAULT = "/opt/slipway/weights"
_CONNECT_TIMEOUT_S = 10.0


def initial_model(config: TrainConfig, class_count: int, channels: Path, world: World) -> nn.Module:
    """A network with the weights that training starts from: the weights channel's, those baked into the image,
    torchvision's, or random ones, in this order. Other processes than the first need none: they get the first's.

    Raises:
        WeightsError: The weights channel or the baked file holds something else than this architecture's weights.
    """
    torch.manual_seed(config.seed)
    model = build_model(config.model_type, class_count)
    if not world.is_first:
        return model
    if config.weights == "none":
        logger.info("weights=none: %s starts from random weights", config.model_type)
        return model
    channel = find_channel(channels, "weights")
    file = find_weights_file(channel) if channel else _baked_file(config.model_type)
    state_dict = read_state_dict(file) if file else _download(config.model_type)
    if state_dict is None:
        logger.warning(
            "no pretrained weights: there is no weights channel, none are in the image, and torchvision's could not "
            "be downloaded. %s starts from random weights and will need more epochs and pictures; give a weights "
            "channel, or set weights to none to say that this is meant",
            config.model_type,
        )
        return model
    load_pretrained(model, state_dict, config.model_type)
    logger.info("%s starts from %s", config.model_type, file or "torchvision's ImageNet weights")
    return model


def _baked_file(architecture: str) -> Path | None:
    directory = Path(os.environ.get(_BAKED) or _BAKED_DEFAULT)
    return next((file for suffix in SUFFIXES if (file := directory / f"{architecture}{suffix}").is_file()), None)


def _download(architecture: str) -> dict[str, torch.Tensor] | None:
    weights = torchvision.models.get_model_weights(architecture).DEFAULT
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECT_TIMEOUT_S)
    try:
        return dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (URLError, OSError, RuntimeError) as error:  # no network, a read-only cache, a damaged download
        logger.info("torchvision's weights could not be downloaded: %s", error)
        return None
    finally:
        socket.setdefaulttimeout(before)
