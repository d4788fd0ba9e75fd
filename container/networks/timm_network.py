"""Builds timm's networks. timm is imported here alone, and only once one of its networks is asked for."""

import difflib
from typing import Any

from torch import nn

from container.contract.errors import HyperparameterError
from container.contract.networks import RESNETS
from container.imports import uncollected

# What timm's constructors raise for an argument that does not fit.
_REFUSALS = (TypeError, ValueError, AssertionError, RuntimeError, IndexError, ZeroDivisionError)


def configuration(architecture: str) -> Any:
    """Return timm's pretrained configuration of a network: where its weights are, and the input that they expect.

    Raises:
        HyperparameterError: timm has no such network, or no such pretrained configuration of it.
    """
    with uncollected():
        import timm

    name, _, tag = architecture.partition(".")
    if not timm.is_model(name):
        raise HyperparameterError(
            f"there is no network {architecture!r} in timm {timm.__version__}; "
            f"{_nearest(name, [*RESNETS, *timm.list_models()])}"
        )
    try:
        return timm.models.get_pretrained_cfg(architecture) or timm.models.PretrainedCfg()
    except RuntimeError as error:
        raise HyperparameterError(
            f"timm {timm.__version__} has no pretrained configuration {tag!r} of the network {name}; "
            f"{_nearest(architecture, timm.list_pretrained(f'{name}.*'))}"
        ) from error


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known[:3]
    return f"the nearest are {', '.join(near)}" if near else "it has none"


def build(architecture: str, class_count: int, image_size: int | None, drop_path: float) -> nn.Module:
    """Build a network of timm's, randomly initialised; arguments and errors are those of `build_model`."""
    with uncollected():
        import timm

    found = configuration(architecture)
    size = image_size or found.input_size[-1]
    arguments: dict[str, Any] = {"num_classes": class_count}
    if image_size and found.fixed_input_size:
        arguments["img_size"] = image_size
    if drop_path:
        arguments["drop_path_rate"] = drop_path
    try:
        model: nn.Module = timm.create_model(architecture, **arguments)
    except _REFUSALS as error:
        if "drop_path_rate" in str(error):
            raise no_drop_path(architecture, drop_path) from error
        raise HyperparameterError(
            f"{architecture} cannot be built for pictures of {size} x {size} pixels: {_first_line(error)}"
        ) from error
    # Some constructors take the argument and ignore it.
    if drop_path and not any(type(module).__name__ == "DropPath" for module in model.modules()):
        raise no_drop_path(architecture, drop_path)
    return model


def no_drop_path(architecture: str, drop_path: float) -> HyperparameterError:
    """Make the error for a network without stochastic depth."""
    return HyperparameterError(
        f"{architecture} has no stochastic depth, and drop-path is {drop_path:g}; set drop-path to 0, or choose "
        "another model-type"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
