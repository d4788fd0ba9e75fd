"""Compares state dicts with networks, and loads those that fit exactly."""

from collections.abc import Mapping

import torch
from torch import nn

from container.contract.errors import WeightsError

StateDict = Mapping[str, torch.Tensor]


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
