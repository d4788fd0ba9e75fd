"""The reductions of a tensor, as smdebug computes them for PyTorch."""

import torch


def reduce(value: torch.Tensor, name: str, absolute: bool) -> torch.Tensor:
    """Compute one of smdebug's reductions, as a tensor without dimensions.

    Args:
        value: A tensor of any shape, not empty.
        name: One of `REDUCTIONS` or `NORMS`.
        absolute: Reduce the absolute values.
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
    """Return the name that a reduction is saved under. Source: smdebug 1.0.34, `core/reductions.py`."""
    return f"smdebug/reductions/{'abs_' * absolute}{name}/{tensor}"
