"""The head of a network: its last layer, which is new where a pretrained network is fine-tuned."""

from torch import nn


def head_names(architecture: str, model: nn.Module) -> tuple[str, ...]:
    """List the names of the head's parameters."""
    return tuple(name for name, _ in model.named_parameters() if name.startswith("fc."))


def linear_head(model: nn.Module, architecture: str) -> nn.Linear | None:
    """Find the head if it is one linear layer with a bias."""
    places = {name.rpartition(".")[0] for name in head_names(architecture, model)}
    head = model.get_submodule(places.pop()) if len(places) == 1 else None
    return head if isinstance(head, nn.Linear) and head.bias is not None else None
