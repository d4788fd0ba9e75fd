"""Loads pretrained weights into a network whose head is for other classes."""

import inspect
import logging
import sys
from typing import Any

from torch import nn

from container.contract.errors import WeightsError
from container.contract.networks import is_resnet
from container.networks import lite0, resnets
from container.networks.head import head_names
from container.networks.state_dict import StateDict, load_exactly, mismatch

logger = logging.getLogger(__name__)

# timm's modules call their function for weights of other shapes and names so.
_FILTERS = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")
_NAMED = 4


def landmark(architecture: str, model: nn.Module) -> str:
    """Name a tensor that the network has once, whatever prefixes DDP and Lightning put before it."""
    if is_resnet(architecture):
        return resnets.LANDMARK
    own = model.state_dict()
    layers = [name for name, value in own.items() if "." in name and value.ndim > 1]
    return next(name for name in layers if not any(other.endswith(f".{name}") for other in own))


def load_pretrained(model: nn.Module, state_dict: StateDict, architecture: str) -> None:
    """Load the feature layers by name and shape; the head keeps its initial values unless its shapes match.

    Tensors that the network has no place for, such as another head's, are logged.

    Raises:
        WeightsError: Feature layers are missing, of another shape, or more than the network has.
    """
    own, head = model.state_dict(), head_names(architecture, model)
    try:
        found = _with_own_names(model, state_dict, architecture)
    except Exception as error:
        raise _foreign(architecture, f"their tensors cannot be converted: {error}") from error
    strangers = [name for name in found if name not in own and not _is_layer(name, model, head)]
    body = {name: value for name, value in found.items() if name not in head and name not in strangers}
    if problem := mismatch({name: value for name, value in own.items() if name not in head}, body):
        raise _foreign(architecture, problem)
    fits = all(name in found and found[name].shape == own[name].shape for name in head)
    load_exactly(model, body | {name: (found if fits else own)[name] for name in head})
    unused = [*strangers, *(name for name in head if name in found and not fits)]
    if unused:
        more = f" and {len(unused) - _NAMED} more" if len(unused) > _NAMED else ""
        logger.info(
            "pretrained weights: all %d tensors of the feature layers are used; %d others are not: %s%s",
            len(body),
            len(unused),
            ", ".join(unused[:_NAMED]),
            more,
        )


def _foreign(architecture: str, problem: str) -> WeightsError:
    return WeightsError(f"these weights are not {architecture}'s: {problem}; set model-type to the weights' own")


def _is_layer(name: str, model: nn.Module, head: tuple[str, ...]) -> bool:
    """Whether an unknown tensor belongs to one more layer of the features, as of a deeper network of the same family.

    What is beside the features, or a buffer that earlier versions of timm saved, is not needed.
    """
    first = name.partition(".")[0]
    if first in {other.partition(".")[0] for other in head}:
        return False
    modules = dict(model.named_modules())
    return first in modules and name.rpartition(".")[0] not in modules


def _with_own_names(model: nn.Module, tensors: StateDict, architecture: str) -> StateDict:
    if is_resnet(architecture):
        return tensors
    if architecture.partition(".")[0] == "tf_efficientnet_lite0":
        tensors = lite0.with_timm_names(tensors)
    module = sys.modules[type(model).__module__]
    convert: Any = next((found for name in _FILTERS if (found := getattr(module, name, None))), None)
    if convert is None:
        return tensors
    takes_model = len(inspect.signature(convert).parameters) > 1
    converted: StateDict = convert(dict(tensors), model) if takes_model else convert(dict(tensors))
    return converted
