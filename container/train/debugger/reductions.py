"""The numbers that are saved of a tensor, as smdebug computes them for PyTorch."""

import torch


def reduce(value: torch.Tensor, name: str, absolute: bool) -> torch.Tensor:
    """One of smdebug's reductions: a tensor without dimensions.

    Args:
        value: Of any shape, not empty.
        name: Of `REDUCTIONS` or `NORMS`.
        absolute: Of the absolute values.
    """
    value = value.abs() if absolute else value
    if name in ("l1", "l2"):
        norm: torch.Tensor = torch.linalg.vector_norm(
            value if value.is_floating_point() else value.float(), int(name[1])
        )
        return norm
    if name in ("mean", "std", "variance") and not value.is_floating_point():
        value = value.float()
    method = {"variance": "var"}.get(name, name)
    result: torch.Tensor = getattr(value, method)()
    return result


def saved_name(tensor: str, name: str, absolute: bool) -> str:
    """The name that a reduction is saved under. Source: smdebug 1.0.34, `core/reductions.py`."""
    return f"smdebug/reductions/{'abs_' * absolute}{name}/{tensor}"
