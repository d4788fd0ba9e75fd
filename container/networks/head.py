"""The classifier of a network: the last layer, which fine-tuning replaces."""

from torch import nn

from container.contract.networks import is_resnet


def head_names(architecture: str, model: nn.Module) -> tuple[str, ...]:
    """List the names of the classifier's parameters, as in `model.named_parameters()`.

    Args:
        architecture: The hyperparameter model-type.
        model: From `build_model`.

    Returns:
        Empty if the network has no classifier.
    """
    places = ("fc",) if is_resnet(architecture) else _places(model)
    prefixes = tuple(f"{place}." for place in places)
    return tuple(name for name, _ in model.named_parameters() if name.startswith(prefixes))


def _places(model: nn.Module) -> tuple[str, ...]:
    """Read the classifier's modules off timm's configuration: several for a distilled network."""
    place = getattr(model, "pretrained_cfg", {}).get("classifier")
    return (place,) if isinstance(place, str) else tuple(place or ())
