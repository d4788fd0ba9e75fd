"""Whether torch is installed, and calls to it that do nothing where it is not imported."""

import sys
import traceback
from importlib.util import find_spec

from container.contract.errors import ServeError


def has_torch() -> bool:
    """Whether torch is installed; it is not imported."""
    return find_spec("torch") is not None


def require_torch(what: str) -> None:
    """Refuse something that only torch can do, where it is not installed, as in the image for CPUs.

    Raises:
        ServeError: torch is not installed.
    """
    if not has_torch():
        raise ServeError(
            f"{what} needs torch, which this server does not have; use the serving image that has it (slipway:serve)"
        )


def free_memory_after(error: BaseException) -> None:
    """Free the GPU memory that torch caches, and what the failed computation still holds."""
    traceback.clear_frames(error.__traceback__)
    if torch := sys.modules.get("torch"):
        torch.cuda.empty_cache()


def device_works() -> bool:
    """Whether the GPU still works. A CUDA error is sticky: every later call fails until the process exits."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return True
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True
