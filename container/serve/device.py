"""Which device torch computes on in a worker."""

import torch

from container import cuda


def choose_device(gpu_id: int | None, *, use_cuda: bool) -> torch.device:
    """The GPU that multi-model-server gave to this worker, else the first that torch sees, else the CPU.

    Raises:
        DriverError: There is a GPU, and torch cannot use it.
    """
    found = cuda.cuda_device(gpu_id or 0) if use_cuda else None
    return found or torch.device("cpu")
