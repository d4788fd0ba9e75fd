"""The optimizer: which parameters it decays, and how fast each layer learns."""

from typing import Any

import torch
from torch import nn

from container.contract.hyperparameters import TrainConfig
from container.contract.recipes import MODERN

_MOMENTUM = 0.9

# torchvision's ResNets in the form of a timm network's group_matcher. What nothing matches, the head, comes last.
_RESNET_STAGES = {"stem": r"^conv1|bn1", "blocks": r"^layer(\d+)"}


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Make AdamW, or SGD with Nesterov momentum, over all parameters of the model.

    Args:
        model: On its device.
        config: `layer-decay` and the modern recipe make several groups of parameters.
    """
    groups, rate, decay = parameter_groups(model, config), config.opt_learning_rate, config.opt_weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, weight_decay=decay, momentum=_MOMENTUM, nesterov=True, fused=True)
    return torch.optim.AdamW(groups, lr=rate, weight_decay=decay, fused=True)


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Group the parameters by learning rate and weight decay.

    The rate of a layer is `layer-decay` times that of the layer above it, as in "BEiT: BERT Pre-Training of Image
    Transformers"; the head's is the full one. The modern recipe decays no norms, biases and embeddings of positions.
    """
    if config.recipe != MODERN and config.layer_decay == 1:
        return [{"params": list(model.parameters())}]
    layers = _layers(model) if config.layer_decay < 1 else {}
    undecayed = set(getattr(model, "no_weight_decay", set)()) if config.recipe == MODERN else set()
    top = max(layers.values(), default=0)
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        decays = config.recipe != MODERN or (parameter.ndim > 1 and name not in undecayed)
        depth = top - layers.get(name, top)
        group = groups.setdefault((depth, decays), {"params": []})
        group["params"].append(parameter)
        group["lr"] = config.opt_learning_rate * config.layer_decay**depth
        group["weight_decay"] = config.opt_weight_decay if decays else 0.0
    return list(groups.values())


def _layers(model: nn.Module) -> dict[str, int]:
    """Number the stages, of a vision transformer the blocks, from the input up: parameter name to number."""
    from timm.models import group_parameters  # takes over a second to import, and seed jobs do without

    matcher = model.group_matcher(coarse=True) if hasattr(model, "group_matcher") else _RESNET_STAGES  # type: ignore[operator]
    found: dict[str, int] = group_parameters(model, matcher, reverse=True)
    return found
