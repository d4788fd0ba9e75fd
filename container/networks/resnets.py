"""The ResNets: how many blocks each has, and which one a state dict belongs to. Does not import torch."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from container.contract.errors import WeightsError
from container.contract.model_files import CARD
from container.contract.networks import RESNETS

if TYPE_CHECKING:
    import torch

# Keys are (bottleneck blocks?, blocks in each of the four stages), from table 1 of "Deep Residual Learning for Image
# Recognition".
SHAPES: dict[tuple[bool, tuple[int, ...]], str] = {
    (False, (2, 2, 2, 2)): "resnet18",
    (False, (3, 4, 6, 3)): "resnet34",
    (True, (3, 4, 6, 3)): "resnet50",
    (True, (3, 4, 23, 3)): "resnet101",
    (True, (3, 8, 36, 3)): "resnet152",
}

LANDMARK = "layer1.0.conv1.weight"
"""A tensor that every ResNet has once; DDP, torch.compile and Lightning put prefixes before it."""


def architecture_of(state_dict: "Mapping[str, torch.Tensor]") -> tuple[str, int]:
    """Infer architecture and class count from a ResNet's tensors.

    Raises:
        WeightsError: The tensors are not those of a ResNet of `RESNETS`.
    """
    stages = [0, 0, 0, 0]
    for name in state_dict:
        if match := re.match(r"layer([1-4])\.(\d+)\.", name):
            stage = int(match[1]) - 1
            stages[stage] = max(stages[stage], int(match[2]) + 1)
    architecture = SHAPES.get(("layer1.0.conv3.weight" in state_dict, tuple(stages)))
    head = state_dict.get("fc.weight")
    heads = [name for name in state_dict if name.startswith("fc.")]
    if architecture and head is None and heads:
        raise WeightsError(
            f"the head of this {architecture} is not one linear layer: it has {', '.join(heads[:6])} instead of "
            "fc.weight and fc.bias; a single one, also after a dropout, is supported"
        )
    if architecture is None or head is None or head.ndim != 2:
        first = ", ".join(list(state_dict)[:3]) or "no tensor at all"
        raise WeightsError(
            f"these are not the tensors of a ResNet with a linear head (they begin with: {first}); "
            f"without a {CARD} only {', '.join(RESNETS)} are recognised"
        )
    return architecture, head.shape[0]


def with_plain_head(tensors: "dict[str, torch.Tensor]") -> "dict[str, torch.Tensor]":
    """Rename the head to fc.weight and fc.bias if it is one linear layer after a dropout (fc.1.weight)."""
    head = [name for name in tensors if name.startswith("fc.")]
    place = head[0].rpartition(".")[0] if head else ""
    if sorted(head) != [f"{place}.bias", f"{place}.weight"] or not re.fullmatch(r"fc\.\d+", place):
        return tensors
    return {(f"fc.{name.rpartition('.')[2]}" if name in head else name): value for name, value in tensors.items()}
