"""Recognises out-of-memory errors of a device or the machine. Does not import torch."""

import sys

# Torch raises plain RuntimeErrors for GPU memory outside its allocator (contexts, handles, graphs) and for CPU memory;
# OpenVINO raises C++'s bad_alloc.
_WORDS = (
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "DefaultCPUAllocator",
    "std::bad_alloc",
)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error means that a device or the machine ran out of memory."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return any(word in str(error) for word in _WORDS)
