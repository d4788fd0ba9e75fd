"""Grad-CAM: which parts of its input a network based a class on."""

from collections.abc import Sequence

import torch
from torch import nn

from container.networks.explained import ExplainedLayer
from container.serve.worker.explain import Heat


def grad_cam(model: nn.Module, layer: ExplainedLayer, batch: torch.Tensor, classes: Sequence[int]) -> Heat:
    """Run a batch through the network and compute a heat map per picture for its class.

    Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017,
    equations 1 and 2: a channel's weight is the mean over all cells of the gradient of the class's score (before the
    softmax) with respect to the layer's output; the heat is the positive part of the weighted sum of channels.

    Args:
        model: In evaluation mode; no parameter may require a gradient, so nothing before the layer is kept.
        layer: The module to analyse.
        batch: float32, shape (N, 3, size, size).
        classes: The class to explain, per picture.

    Returns:
        Shape (N, cells, cells). Each picture's strongest cell is 1; all are 0 if nothing supports the class.
    """
    outputs: list[torch.Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        outputs.append(output.detach().requires_grad_())
        return outputs[-1]

    hook = model.get_submodule(layer.name).register_forward_hook(keep)
    try:
        with torch.enable_grad():
            logits = model(batch)
            chosen = torch.tensor(classes, device=logits.device)
            [gradient] = torch.autograd.grad(logits.gather(1, chosen[:, None]).sum(), outputs)
    finally:
        hook.remove()
    weights = layer.to_cells(gradient).float().mean(dim=(2, 3), keepdim=True)
    heat = (weights * layer.to_cells(outputs[0].detach()).float()).sum(dim=1).relu().nan_to_num()
    heat /= heat.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    found: Heat = heat.cpu().numpy()
    return found
