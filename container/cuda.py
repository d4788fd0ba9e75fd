"""Checks that torch can use the GPU that the driver reports."""

import torch

from container import gpu
from container.contract.errors import DriverError


def cuda_device(index: int = 0) -> torch.device | None:
    """Return the GPU of this index (modulo their number); None if there is none.

    Raises:
        DriverError: There is a GPU, but the driver is too old for torch, or torch cannot use it.
    """
    if not gpu.look().count and not torch.cuda.is_available():
        return None
    device = torch.device("cuda", index % max(1, torch.cuda.device_count()))
    try:
        torch.zeros(1, device=device)
    except RuntimeError as error:
        why = str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
        raise DriverError(
            f"the NVIDIA driver shows a GPU, but torch cannot use it ({why}): check with nvidia-smi whether another "
            f"process holds it or it has failed; to run on the CPU, set {gpu.SWITCH}=false"
        ) from error
    return device
