"""Describes the machine that a benchmark runs on."""

import platform
from pathlib import Path

import torch

from container.cpus import available_cpus


def describe(device: torch.device) -> str:
    """Describe the machine in a line: `NVIDIA H100 80GB HBM3, 16 CPUs, 16 threads; torch 2.13.0, Python 3.11.7`."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu()
    versions = f"torch {torch.__version__}, Python {platform.python_version()}"
    return f"{name}, {available_cpus()} CPUs, {torch.get_num_threads()} threads; {versions}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
