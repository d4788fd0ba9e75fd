"""The names of networks. Whether timm has one of a name, only the training program can say."""

import re

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
"""torchvision's ResNets; every other name is timm's."""

EMBEDDING = "tf_efficientnet_lite0"
"""The network whose features pictures are compared by: quick on a CPU, and its weights are a package."""

# timm's names, with or without the tag of a pretrained configuration: convnext_tiny.in12k_ft_in1k
_FORM = re.compile(r"[a-z0-9]\w*(\.\w+)?", re.ASCII)


def is_resnet(name: str) -> bool:
    """Whether a name is that of one of torchvision's ResNets."""
    return name in RESNETS


def may_be_network(name: str) -> bool:
    """Whether a name has the form of a network's."""
    return _FORM.fullmatch(name) is not None
