"""How much of a network is depthwise convolution at full width, which a CPU computes more slowly in bf16."""

import torch
from torch import nn

from container.contract.networks import is_resnet
from container.networks.build import build_model


def depthwise_share(architecture: str, image_size: int) -> float:
    """Compute the share of depthwise convolutions in the outputs of all layers, from 0 to 1.

    Outputs rather than multiplications, because moving them is what takes the time: about half in networks of inverted
    residuals such as EfficientNet's and MobileNet's, a sixth in ConvNeXt, whose depthwise layers are narrow.

    Args:
        architecture: The hyperparameter model-type.
        image_size: Side of the input, pixels.
    """
    depthwise, whole = 0, 0

    def count(layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        nonlocal depthwise, whole
        whole += output.numel()
        if isinstance(layer, nn.Conv2d) and layer.groups == layer.in_channels:
            depthwise += output.numel()

    if is_resnet(architecture):
        return 0.0
    with torch.device("meta"):  # no memory, and no work
        model = build_model(architecture, 2, image_size=image_size).eval()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.no_grad():
        model(torch.empty((1, 3, image_size, image_size), device="meta"))
    return depthwise / whole
