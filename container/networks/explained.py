"""The layer of a network that explanations analyse: the last one that still has spatial detail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from container.contract.errors import ArtifactError
from container.contract.networks import is_resnet

if TYPE_CHECKING:
    import torch
    from torch import nn

# A ResNet's stages, and their strides: input pixels per output cell.
_RESNET_STAGES = (("layer1", 4), ("layer2", 8), ("layer3", 16), ("layer4", 32))
_FEWEST_CELLS = 3


@dataclass(frozen=True)
class ExplainedLayer:
    """A module, and how its output becomes cells."""

    name: str
    to_cells: "Callable[[torch.Tensor], torch.Tensor]" = field(default=lambda output: output)
    """Maps the module's output to shape (N, channels, cells, cells)."""


def explained_layer(architecture: str, model: "nn.Module", input_size: int) -> ExplainedLayer:
    """Choose the last stage with at least 3 x 3 cells; a ResNet's is layer4, 7 x 7 cells, for 224 pixels.

    In a transformer that classifies by a token of its own, the last block's other outputs are not used. So the input of
    its attention is analysed.

    Raises:
        ArtifactError: The network does not say what its stages are.
    """
    if is_resnet(architecture):
        return ExplainedLayer(_last_with_cells(_RESNET_STAGES, input_size))
    stages = list(getattr(model, "feature_info", ()) or ())
    if not stages:
        raise ArtifactError(f"{architecture} cannot be explained: timm does not say what its stages are")
    name = _last_with_cells([(str(stage["module"]), int(stage["reduction"])) for stage in stages], input_size)
    channels = next(int(stage["num_chs"]) for stage in reversed(stages) if stage["module"] == name)
    normalized = f"{name}.norm1"
    if any(module == normalized for module, _ in model.named_modules()):
        name = normalized
    prefix = int(getattr(model, "num_prefix_tokens", 0))
    return ExplainedLayer(name, lambda output: _cells(output, channels, prefix))


def _last_with_cells(stages: Sequence[tuple[str, int]], input_size: int) -> str:
    finest = min(stride for _, stride in stages)
    enough = [name for name, stride in stages if stride == finest or -(-input_size // stride) >= _FEWEST_CELLS]
    return enough[-1]


def _cells(output: "torch.Tensor", channels: int, prefix: int) -> "torch.Tensor":
    if output.ndim == 3:  # tokens: (N, prefix + cells * cells, channels)
        tokens = output[:, prefix:]
        side = round(tokens.shape[1] ** 0.5)
        return tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
    return output if output.shape[1] == channels else output.movedim(-1, 1)
