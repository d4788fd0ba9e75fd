"""How few pictures a training step of a network takes."""

import torch
from torch import nn
from torch.func import functional_call


def freeze_statistics(model: nn.Module) -> None:
    """Put all batch normalisation into evaluation mode: its running statistics no longer move."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def fewest_pictures(model: nn.Module, size: int, processes: int = 1) -> int:
    """Return how many pictures each process needs in a step: two if batch normalisation is left a single value of a
    channel by one, as at the end of a ResNet for 32 pixels.

    Args:
        model: In training mode.
        size: Side of its input, pixels.
        processes: The job's number of processes; several have two pictures each wherever there is batch normalisation.
    """
    if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        return 1
    if processes > 1:
        return 2
    own = [*model.named_parameters(), *model.named_buffers()]
    nothing = {name: torch.empty_like(value, device="meta") for name, value in own}
    with torch.no_grad():
        try:
            functional_call(model, nothing, torch.empty((1, 3, size, size), device="meta"))
        except ValueError:  # torch's "Expected more than 1 value per channel when training"
            return 2
        except RuntimeError:  # a network that needs the values of tensors: only training will tell
            return 1
    return 1
