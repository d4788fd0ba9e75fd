"""Builds torchvision's ResNets with a head for the user's classes, and recognises them by their state dicts."""

import re
from collections.abc import Mapping

import torch
import torchvision.models
from torch import nn

from container.architectures import ARCHITECTURES, SHAPES
from container.contract.errors import WeightsError

StateDict = Mapping[str, torch.Tensor]


def build_model(architecture: str, class_count: int) -> nn.Module:
    """Build a randomly initialised ResNet; input (N, 3, H, W), output (N, class_count)."""
    model: nn.Module = getattr(torchvision.models, architecture)(weights=None, num_classes=class_count)
    return model


def architecture_of(state_dict: StateDict) -> tuple[str, int]:
    """Infer architecture and class count from a ResNet's tensors.

    Raises:
        WeightsError: The tensors are not those of a ResNet of `ARCHITECTURES`.
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
            f"{', '.join(ARCHITECTURES)} are supported"
        )
    return architecture, head.shape[0]


def load_exactly(model: nn.Module, state_dict: StateDict) -> None:
    """Load tensors into a model; names and shapes must match exactly.

    Raises:
        WeightsError: Tensors are missing, unknown or of another shape.
    """
    if problem := mismatch(model.state_dict(), state_dict):
        raise WeightsError(problem)
    model.load_state_dict(state_dict)


def mismatch(wanted: StateDict, found: StateDict) -> str | None:
    """Describe how two state dicts differ in names and shapes; None if they do not."""
    missing = [name for name in wanted if name not in found and not name.endswith("num_batches_tracked")]
    unknown = [name for name in found if name not in wanted]
    other = [
        f"{name} is {tuple(found[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in found and found[name].shape != wanted[name].shape
    ]
    parts = [
        f"{len(items)} {what} (first: {items[0]})"
        for what, items in (("missing", missing), ("unknown", unknown), ("of another shape", other))
        if items
    ]
    return "the tensors do not fit the model: " + "; ".join(parts) if parts else None
