"""Samples of the machine, in the files and under the names that SageMaker's own monitor uses.

One JSON object per line, one file per minute and host, times in UTC:
`incremental/<YYYYMMDDHH>/<second at which the minute begins>.<host>.json`. Readings that SageMaker has no name for have
the same form: GPUPower (watts), GPUMemoryUsed (bytes), and MemoryUsedBytes of the job's processes.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Reading:
    """One value, without its time and host."""

    type: str
    """cpu, gpu, memory, i/o or network."""
    name: str
    dimension: str
    value: float


class SystemFiles:
    """The files of one host."""

    def __init__(self, directory: Path, node: str) -> None:
        self.directory = directory
        self.node = node

    def append(self, readings: list[Reading], at: float) -> None:
        """Append the readings of one sample.

        Args:
            readings: The readings.
            at: When they were taken, seconds since 1970.

        Raises:
            OSError: They cannot be written.
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
