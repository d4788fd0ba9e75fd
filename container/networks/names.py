"""The names of networks, as both sides know them. Does not import torch."""

from container.contract.networks import RESNETS, is_resnet, may_be_network

__all__ = ["RESNETS", "is_resnet", "may_be_network"]
