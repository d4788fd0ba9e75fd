"""What this process may use: memory by cgroup limit, GPUs by the driver, and which Java."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from container.cpus import available_cpus
from container.serve.java import Java, find_java

_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a server has, looked up once."""

    java: Java
    cpus: int
    gpus: int
    memory_bytes: int

    @classmethod
    def look(cls) -> Self:
        """Look it up.

        Raises:
            ServeError: There is no Java.
        """
        return cls(java=find_java(), cpus=available_cpus(), gpus=gpu_count(), memory_bytes=memory_bytes())


def memory_bytes(cgroups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes of memory that may be used: the machine's, lowered to the cgroup's limit."""
    limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for directory in _cgroup_directories(cgroups, membership):
        for name in ("memory.max", "memory/memory.limit_in_bytes"):
            text = _read(directory / name)
            if text.isdigit():
                limit = min(limit, int(text))
    return limit


def gpu_count() -> int:
    """NVIDIA GPUs that the driver shows, lowered to those that CUDA_VISIBLE_DEVICES leaves.

    multi-model-server counts them with the same program.
    """
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return count
    return min(count, sum(name.strip() not in ("", "-1", "NoDevFiles") for name in visible.split(",")))


def _cgroup_directories(cgroups: Path, membership: Path) -> Iterator[Path]:
    """The root and, outside a container, the group that this process is in and those above it (cgroup v2)."""
    yield cgroups
    for line in _read(membership).splitlines():
        hierarchy, _, path = line.partition("::")
        directory = cgroups
        for part in Path(path).parts[1:] if hierarchy == "0" else ():
            directory /= part
            yield directory


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
