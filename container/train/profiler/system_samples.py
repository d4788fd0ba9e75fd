"""Samples of the machine, in the files and under the names that SageMaker's own monitor uses.

One JSON object a line, a file a minute and host: `incremental/<YYYYMMDDHH>/<second of the minute's begin>.<host>.json`,
times in UTC. What SageMaker has no name for is added in the same form: GPUPower (watts), GPUMemoryUsed (bytes), and
MemoryUsedBytes of the job's own processes.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Reading:
    """One value, without its time and place."""

    type: str
    """cpu, gpu, memory, i/o or network."""
    name: str
    dimension: str
    value: float


class SystemFiles:
    """Of one host."""

    def __init__(self, directory: Path, node: str) -> None:
        self.directory = directory
        self.node = node

    def append(self, readings: list[Reading], at: float) -> None:
        """Args: readings: taken together; at: seconds since 1970.

        Raises:
            OSError: They could not be written.
        """
        minute = int(at) // 60 * 60
        folder = self.directory / "incremental" / time.strftime("%Y%m%d%H", time.gmtime(minute))
        folder.mkdir(parents=True, exist_ok=True)
        lines = [
            json.dumps(
                {
                    "Type": reading.type,
                    "Name": reading.name,
                    "Dimension": reading.dimension,
                    "Value": round(reading.value, 2),
                    "NodeId": self.node,
                    "Timestamp": round(at, 6),
                }
            )
            for reading in readings
        ]
        with (folder / f"{minute}.{self.node}.json").open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
