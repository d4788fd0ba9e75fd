"""The resources that a server may use: Java, CPUs, GPUs and memory."""

from dataclasses import dataclass
from typing import Self

from container.cpus import available_cpus
from container.serve.mms.java import Java, find_java
from container.serve.settings.resources import usable_bytes


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The resources of a server, looked up once."""

    java: Java
    cpus: int
    gpus: int
    """GPUs to use. multi-model-server also counts with nvidia-smi, and spreads its workers over the smaller number."""
    memory_bytes: int

    @classmethod
    def look(cls, *, gpus: int, memory_limit_bytes: int | None = None) -> Self:
        """Look up everything but the GPUs.

        Args:
            gpus: How many to use.
            memory_limit_bytes: Use no more memory than this.

        Raises:
            ServeError: There is no Java.
        """
        return cls(java=find_java(), cpus=available_cpus(), gpus=gpus, memory_bytes=usable_bytes(memory_limit_bytes))
