"""The device a job trains on, its precision, and its number of DataLoader workers."""

import logging
from dataclasses import dataclass

import torch

from container import cuda
from container.contract.errors import HyperparameterError
from container.contract.hyperparameters import TrainConfig
from container.cpus import available_cpus, threads_asked_for
from container.train.launch.distributed import World

logger = logging.getLogger(__name__)

PRECISIONS = {torch.bfloat16: "bf16", torch.float16: "fp16", None: "fp32"}
"""Names of what autocast computes in."""

# More DataLoader workers than this do not help one device, and each costs memory.
_MOST_WORKERS = 16


@dataclass(frozen=True, kw_only=True)
class Device:
    """Where to compute, in which precision, and how many DataLoader workers feed it."""

    torch_device: torch.device
    amp_dtype: torch.dtype | None
    """The dtype of autocast; None for plain float32."""
    workers: int

    @property
    def is_cuda(self) -> bool:
        return self.torch_device.type == "cuda"

    @property
    def scales_gradients(self) -> bool:
        """Whether gradients need scaling: float16 has too few exponent bits for them, bfloat16 as many as float32."""
        return self.amp_dtype is torch.float16

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.torch_device.type, self.amp_dtype, enabled=self.amp_dtype is not None)


def choose_device(config: TrainConfig, world: World) -> Device:
    """Choose by the hyperparameters, the hardware, and the number of processes that share it; logs the choice and why.

    With `amp=auto`, a CPU that has bf16 gets it here; `choose_precision` then looks whether the network gains from it.

    Args:
        config: With the image size resolved.
        world: The job's processes.

    Raises:
        DriverError: There is a GPU, and torch cannot use it.
        HyperparameterError: amp asks for a precision that the device lacks.
    """
    cpus = max(1, available_cpus() // world.local_size)
    device = cuda.cuda_device(world.local_rank) if config.use_cuda else None
    if device:
        torch.backends.cudnn.benchmark = True
        name, workers = torch.cuda.get_device_name(device), cpus
    else:
        device = torch.device("cpu")
        torch.set_num_threads(min(cpus, threads_asked_for() or cpus))
        name = "no GPU found" if config.use_cuda else "GPU switched off"
        workers = max(1, cpus // 4)
    chosen = Device(
        torch_device=device,
        amp_dtype=_amp_dtype(config, device),
        workers=min(workers, _MOST_WORKERS) if config.num_workers < 0 else config.num_workers,
    )
    precision = PRECISIONS[chosen.amp_dtype] + " with gradient scaling" * chosen.scales_gradients
    if config.amp == "auto" and device.type == "cpu" and chosen.amp_dtype is not None:
        precision += " or fp32"
    logger.info(
        "device %s (%s), %s, %d CPUs, %d DataLoader worker%s%s",
        *(device.type, name, precision, cpus, chosen.workers, "s" * (chosen.workers != 1)),
        " for each process" * (world.size > 1),
    )
    return chosen


def _amp_dtype(config: TrainConfig, device: torch.device) -> torch.dtype | None:
    amp = config.amp
    if amp == "off":
        return None
    if amp == "bf16":
        if device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0):
            raise HyperparameterError(
                f"hyperparameter amp is bf16, which {torch.cuda.get_device_name(device)} does not compute in; set amp "
                "to auto or fp16"
            )
        return torch.bfloat16
    if amp == "fp16":
        if device.type != "cuda":
            raise HyperparameterError("hyperparameter amp is fp16, which needs a GPU, and none was found")
        return torch.float16
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else None
