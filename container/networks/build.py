"""Builds networks with a head for the user's classes."""

import torchvision.models
from torch import nn

from container.contract.networks import is_resnet
from container.networks import timm_network


def build_model(
    architecture: str, class_count: int, *, image_size: int | None = None, drop_path: float = 0.0
) -> nn.Module:
    """Build a randomly initialised network; input (N, 3, H, W), output (N, class_count).

    Args:
        architecture: One of torchvision's ResNets, or any classification network of timm's.
        class_count: Outputs of the new head.
        image_size: Side of the input, pixels; None is the network's own. Only networks that are built for one size,
            such as ViT and Swin, depend on it.
        drop_path: Largest probability of stochastic depth, "Deep Networks with Stochastic Depth", from 0 to 1: the
            last block's; that of earlier ones rises linearly from 0.

    Raises:
        HyperparameterError: timm has no such network, or the network does not take the size or stochastic depth.
    """
    if is_resnet(architecture):
        if drop_path:
            raise timm_network.no_drop_path(architecture, drop_path)
        model: nn.Module = getattr(torchvision.models, architecture)(weights=None, num_classes=class_count)
        return model
    return timm_network.build(architecture, class_count, image_size, drop_path)
