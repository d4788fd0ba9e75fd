"""What is asked of torch where it has been imported, and only there."""

import sys


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether a device or the machine had too little memory."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    # torch's allocator for the CPU raises a plain RuntimeError, and OpenVINO one with C++'s word for it.
    return "DefaultCPUAllocator" in str(error) or "std::bad_alloc" in str(error)


def free_cached_memory() -> None:
    """Give back what torch holds of a GPU's memory without need."""
    if torch := sys.modules.get("torch"):
        torch.cuda.empty_cache()


def device_works() -> bool:
    """Whether the GPU does. A CUDA error stays: every later call fails with it until the process ends."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return True
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True
