"""Finds the NVIDIA driver and GPUs, and checks that they suit the installed torch. Does not import torch."""

import importlib.util
import os
import runpy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pynvml  # type: ignore[import-untyped]

from container.contract.errors import DriverError

SWITCH = "SLIPWAY_USE_CUDA"
"""Environment variable: `false` trains and serves on the CPU even if there is a GPU."""

_ON_THE_CPU = f"to run on the CPU, set {SWITCH}=false"

# By CUDA's major version: within one, a driver runs what was built for any minor version.
# Source: "CUDA Compatibility" in NVIDIA's deployment and management guides.
_OLDEST_DRIVERS = {12: "525", 13: "580"}
# SageMaker's host images with such drivers; slipway/hosts/drivers.py has the sources.
_ENDPOINT_AMIS = {12: "al2-ami-sagemaker-inference-gpu-3-1", 13: "al2023-ami-sagemaker-inference-gpu-4-1"}
_TRANSFORM_AMIS = {12: "al2-ami-sagemaker-batch-gpu-535"}


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU, as the driver names it."""

    name: str
    memory_bytes: int
    """0 if the driver does not say: for a part of a GPU (MIG), or one that shares the host's memory."""

    def __str__(self) -> str:
        return f"{self.name} ({self.memory_bytes / 2**30:.0f} GiB)" if self.memory_bytes else self.name


@dataclass(frozen=True, kw_only=True)
class Driver:
    """The NVIDIA driver and its GPUs."""

    version: str
    """Version, such as 580.82.07."""
    cuda: tuple[int, int]
    """Major and minor version of the newest CUDA that it supports."""
    gpus: tuple[Gpu, ...]
    """All GPUs of this container or machine."""

    def __str__(self) -> str:
        return f"NVIDIA driver {self.version} (CUDA {self.cuda[0]}.{self.cuda[1]})"


@dataclass(frozen=True, kw_only=True)
class Gpus:
    """The GPUs that a job or a server may use."""

    count: int
    text: str
    """One sentence for the log, which puts `GPU: ` before it."""


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `SLIPWAY_USE_CUDA` allows the GPU.

    Raises:
        DriverError: It is neither true nor false.
    """
    text = environment.get(SWITCH, "").strip()
    wanted = {"": True, "true": True, "1": True, "false": False, "0": False}.get(text.lower())
    if wanted is None:
        raise DriverError(f"{SWITCH} is {text!r}; it must be true or false")
    return wanted


def look(*, off_by: str = "") -> Gpus:
    """Find the GPUs to use.

    Args:
        off_by: Name of the setting that turns GPUs off; the driver is then not asked.

    Raises:
        DriverError: There are GPUs, but the driver does not answer or is too old for torch.
    """
    if off_by:
        return Gpus(count=0, text=f"not used ({off_by} is false); running on the CPU")
    driver = find_driver()
    if driver is None:
        return Gpus(count=0, text="none found (no NVIDIA driver); running on the CPU")
    if not driver.gpus:
        return Gpus(count=0, text=f"none found ({driver} shows none); running on the CPU")
    found = ", ".join(f"{count} x {name}" for name, count in Counter(map(str, driver.gpus)).items())
    built_for = torch_cuda()
    if built_for is None:
        return Gpus(count=0, text=f"{driver}, {found}; no torch with CUDA is installed; running on the CPU")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = visible_count(len(driver.gpus), visible)
    if count < len(driver.gpus):
        found += f", of which CUDA_VISIBLE_DEVICES={visible} leaves {count}"
    if count == 0:
        return Gpus(count=0, text=f"{driver}, {found}; running on the CPU")
    check_driver(driver, built_for)
    needed = f"torch is built for CUDA {built_for}, which needs {_oldest_driver(built_for)}"
    return Gpus(count=count, text=f"{driver}, {found}; {needed}")


def find_driver() -> Driver | None:
    """Ask the driver through NVML, its management library; None if there is no driver.

    Raises:
        DriverError: There is one, but it does not answer.
    """
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        if error.value in (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED):
            return None
        raise _no_answer(error) from error
    try:
        cuda = int(pynvml.nvmlSystemGetCudaDriverVersion_v2())
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return Driver(
            version=pynvml.nvmlSystemGetDriverVersion(),
            cuda=(cuda // 1000, cuda % 1000 // 10),
            gpus=tuple(
                Gpu(name=pynvml.nvmlDeviceGetName(handle), memory_bytes=_memory_bytes(handle)) for handle in handles
            ),
        )
    except pynvml.NVMLError as error:
        raise _no_answer(error) from error
    finally:
        pynvml.nvmlShutdown()


def _memory_bytes(handle: object) -> int:
    try:
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    except pynvml.NVMLError:
        return 0


def _no_answer(error: Exception) -> DriverError:
    return DriverError(
        f"the NVIDIA driver does not answer ({error}): run nvidia-smi in the container and on the host, and restart "
        f"the container (NVIDIA_DRIVER_CAPABILITIES must include compute and utility); {_ON_THE_CPU}"
    )


def torch_cuda() -> str | None:
    """Return the CUDA version that the installed torch is built for, such as 13.0; None for a build without CUDA.

    It is read from torch's version file, because importing torch takes seconds.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    built_for: str | None = runpy.run_path(str(Path(spec.origin).with_name("version.py")))["cuda"]
    return built_for


def visible_count(count: int, visible: str | None) -> int:
    """Count how many of `count` GPUs a value of CUDA_VISIBLE_DEVICES leaves."""
    if visible is None:
        return count
    return min(count, sum(name.strip() not in ("", "-1", "NoDevFiles") for name in visible.split(",")))


def check_driver(driver: Driver, built_for: str) -> None:
    """Refuse a driver that is too old: torch would only warn, and leave the GPU that is paid for unused.

    Args:
        driver: The installed one.
        built_for: The CUDA version that torch is built for.

    Raises:
        DriverError: The driver is too old; the message says which one is needed and how to get it.
    """
    major = int(built_for.partition(".")[0])
    if driver.cuda[0] >= major:
        return
    older = [cuda for cuda in _OLDEST_DRIVERS if cuda < major]
    runs = [cuda for cuda in older if cuda <= driver.cuda[0]]
    if runs:
        image = f"use the image for CUDA {max(runs)}, which runs on this driver: ./build.sh --cuda {max(runs)}"
    else:
        least = min(_OLDEST_DRIVERS)
        image = f"no image runs on this driver, as even CUDA {least} needs {_OLDEST_DRIVERS[least]} or later"
    ways = [image]
    if major in _ENDPOINT_AMIS:
        ways.append(f'on a SageMaker endpoint, set inference_ami_version="{_ENDPOINT_AMIS[major]}"')
    for cuda in (cuda for cuda in (major, *older) if cuda in _TRANSFORM_AMIS):
        which = "" if cuda == major else f"use the image for CUDA {cuda} and "
        ways.append(f'for batch transform, {which}set transform_ami_version="{_TRANSFORM_AMIS[cuda]}"')
    ways.append("for a training job, use an instance type whose hosts have a newer driver")
    ways.append("on your own machine, update the driver")
    raise DriverError(
        f"{driver} is too old for this torch, which is built for CUDA {built_for} and needs "
        f"{_oldest_driver(built_for)}: {'; '.join(ways)}; {_ON_THE_CPU}"
    )


def _oldest_driver(built_for: str) -> str:
    oldest = _OLDEST_DRIVERS.get(int(built_for.partition(".")[0]))
    return f"driver {oldest} or later" if oldest else "a newer driver"
