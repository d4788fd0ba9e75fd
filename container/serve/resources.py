"""What this process may use: CPUs and memory by cgroup limit, and which Java."""

import os
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
    """To be used. multi-model-server counts with nvidia-smi too, and deals out the smaller number to its workers."""
    memory_bytes: int

    @classmethod
    def look(cls, *, gpus: int, memory_limit_bytes: int | None = None) -> Self:
        """Look up all but the GPUs.

        Args:
            gpus: How many are to be used.
            memory_limit_bytes: As many at most are to be used.

        Raises:
            ServeError: There is no Java.
        """
        return cls(java=find_java(), cpus=available_cpus(), gpus=gpus, memory_bytes=usable_bytes(memory_limit_bytes))


def usable_bytes(limit: int | None) -> int:
    """`memory_bytes`, lowered to a limit of the user's."""
    return memory_bytes() if limit is None else min(limit, memory_bytes())


def memory_bytes(cgroups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """Bytes of memory that may be used: the machine's, lowered to the cgroup's limit."""
    limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for directory in _cgroup_directories(cgroups, membership):
        for name in ("memory.max", "memory/memory.limit_in_bytes"):
            text = _read(directory / name)
            if text.isdigit():
                limit = min(limit, int(text))
    return limit


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
