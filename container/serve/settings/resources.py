"""The memory that this process may use, by its cgroup's limit."""

import os
from collections.abc import Iterator
from pathlib import Path

from container.serve.settings.config import MEBIBYTE

_CGROUPS = Path("/sys/fs/cgroup")


def usable_bytes(limit: int | None) -> int:
    """Return `memory_bytes`, or the user's limit if that is lower."""
    return memory_bytes() if limit is None else min(limit, memory_bytes())


def memory_bytes(cgroups: Path = _CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """Return the usable memory in bytes: the machine's, or the cgroup's limit if that is lower."""
    limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for directory in _cgroup_directories(cgroups, membership):
        for name in ("memory.max", "memory/memory.limit_in_bytes"):
            text = _read(directory / name)
            if text.isdigit():
                limit = min(limit, int(text))
    return limit


def most_body_bytes(memory_bytes: int, max_body_bytes: int) -> int:
    """Return how many bytes of request bodies the front may hold; one body of the largest size always fits."""
    return max(memory_bytes // 8, max_body_bytes + MEBIBYTE)


def _cgroup_directories(cgroups: Path, membership: Path) -> Iterator[Path]:
    """Yield the root and, outside a container, this process's group and those above it (cgroup v2)."""
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
