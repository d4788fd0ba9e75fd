"""A model and its initial weights: pretrained ones, or random ones."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from container.contract.errors import WeightsError
from container.contract.hyperparameters import TrainConfig
from container.contract.networks import is_resnet
from container.networks.baked import baked_file
from container.networks.build import build_model
from container.networks.download import download
from container.networks.hub_folder import read_config
from container.networks.pretrained import landmark, load_pretrained
from container.networks.weights_file import find_weights_file, read_weights_file
from container.train.data.channels import find_channel
from container.train.launch.distributed import World

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """Where a model's initial weights come from."""

    text: str
    is_warning: bool = False
    weights: dict[str, str] = field(default_factory=dict)
    """The same fields as `ModelCard.weights`."""

    def log(self) -> None:
        """Log it; call this once it is known that no checkpoint has later weights."""
        logger.log(logging.WARNING if self.is_warning else logging.INFO, "%s", self.text)


@dataclass(frozen=True)
class Given:
    """The weights that came with the job or the image."""

    file: Path | None = None
    """None if there are none."""
    pretrained_cfg: Mapping[str, Any] = field(default_factory=dict)
    """What the config.json beside the file says about the input; see `preprocessing_for`."""


def find_given(config: TrainConfig, channels: Path) -> Given:
    """Find the file of weights in the weights channel, or else in the image.

    Raises:
        WeightsError: The weights channel does not hold exactly one, or holds another network's.
    """
    if config.weights == "none":
        return Given()
    channel = find_channel(channels, "weights")
    file = find_weights_file(channel) if channel else baked_file(config.model_type)
    found = read_config(file) if file else None
    if file is None or found is None:
        return Given(file)
    if found.architecture != config.model_type.partition(".")[0]:
        raise WeightsError(
            f"the config.json beside {file} describes {found.architecture}, but model-type is {config.model_type}; set "
            f"model-type to {found.architecture}"
        )
    return Given(file, found.pretrained_cfg)


def initial_model(
    config: TrainConfig, class_count: int, given: Given, world: World, *, resumes: bool
) -> tuple[nn.Module, Start]:
    """Build the model that training starts from, with the given weights, those that can be downloaded, or random ones,
    in this order. Only the first process loads any; the others receive its.

    Args:
        config: With the image size resolved.
        class_count: Outputs of the network.
        given: From `find_given`.
        world: The job's processes.
        resumes: Whether a checkpoint has later weights, so that these may be missing.

    Raises:
        WeightsError: The file does not hold this architecture's weights; or there are no weights of a network that is
            not a ResNet.
    """
    torch.manual_seed(config.seed)
    name = config.model_type
    model = build_model(name, class_count, image_size=config.image_size, drop_path=config.drop_path)
    if not world.is_first:
        return model, Start("the weights are the first process's")
    if config.weights == "none":
        return model, Start(f"weights=none: {name} starts from random weights")
    source, file = (str(given.file), given.file) if given.file else download(name) or ("", None)
    if file is None:
        return model, _without_weights(name, resumes=resumes)
    load_pretrained(model, read_weights_file(file, landmark(name, model)), name)
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return model, Start(f"{name} starts from {source}", weights={"source": source, "sha256": digest})


def _without_weights(name: str, *, resumes: bool) -> Start:
    text = (
        f"no pretrained weights: there is no weights channel, none are in the image, and those of {name} could not be "
        "downloaded"
    )
    advice = "give a weights channel, build the image with build.sh --weights, or set weights to none"
    if not is_resnet(name) and not resumes:
        raise WeightsError(f"{text}; {advice} to start from random ones")
    return Start(
        f"{text}. {name} starts from random weights and will need more epochs and pictures; {advice} to say that this "
        "is meant",
        is_warning=True,
    )
