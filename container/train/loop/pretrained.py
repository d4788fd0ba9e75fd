"""A model and its initial weights: pretrained ones, or random ones."""

import logging
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
import torchvision.models
from torch import nn

from container.contract.hyperparameters import TrainConfig
from container.model import build_model
from container.train.data.channels import find_channel
from container.train.launch.distributed import World
from container.weights import SUFFIXES, find_weights_file, load_pretrained, read_weights_file

logger = logging.getLogger(__name__)

# build.sh --weights puts a file here that is named for its architecture.
_BAKED = "SLIPWAY_WEIGHTS_DIR"
_BAKED_DEFAULT = "/opt/slipway/weights"
_CONNECT_TIMEOUT_S = 10.0
_IMAGENET = "torchvision's ImageNet weights"


@dataclass(frozen=True)
class Start:
    """Where a model's initial weights come from."""

    text: str
    is_warning: bool = False

    def log(self) -> None:
        """Log it; call this once it is known that no checkpoint has later weights."""
        logger.log(logging.WARNING if self.is_warning else logging.INFO, "%s", self.text)


def initial_model(config: TrainConfig, class_count: int, channels: Path, world: World) -> tuple[nn.Module, Start]:
    """Build the model that training starts from, with the weights of the weights channel, those in the image,
    torchvision's, or random ones, in this order. Only the first process loads any; the others receive its.

    Raises:
        WeightsError: The weights channel or the baked file does not hold this architecture's weights.
    """
    torch.manual_seed(config.seed)
    model = build_model(config.model_type, class_count)
    if not world.is_first:
        return model, Start("the weights are the first process's")
    if config.weights == "none":
        return model, Start(f"weights=none: {config.model_type} starts from random weights")
    channel = find_channel(channels, "weights")
    file = find_weights_file(channel) if channel else _baked_file(config.model_type)
    state_dict = read_weights_file(file) if file else _download(config.model_type)
    if state_dict is None:
        text = (
            "no pretrained weights: there is no weights channel, none are in the image, and torchvision's could not be "
            f"downloaded. {config.model_type} starts from random weights and will need more epochs and pictures; give "
            "a weights channel, or set weights to none to say that this is meant"
        )
        return model, Start(text, is_warning=True)
    load_pretrained(model, state_dict, config.model_type)
    return model, Start(f"{config.model_type} starts from {file or _IMAGENET}")


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
