"""Chooses the device that torch uses in a worker."""

import torch

from container import cuda


def choose_device(gpu_id: int | None, *, use_cuda: bool) -> torch.device:
    """Return the GPU that multi-model-server assigned to this worker, else torch's first GPU, else the CPU.

    Raises:
        DriverError: There is a GPU, but torch cannot use it.
    """
    found = cuda.cuda_device(gpu_id or 0) if use_cuda else None
    if found:
        # The health check and the user's code ask for "the current GPU".
        torch.cuda.set_device(found)
    return found or torch.device("cpu")
