"""Calls to torch that do nothing where it is not imported."""

import sys
import traceback


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
