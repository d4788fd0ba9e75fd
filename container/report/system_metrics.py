"""Reads system metrics in the format of SageMaker's profiler agent, which ours writes too.

Files `<epoch seconds>.<node>.json` below `incremental`, sometimes in a folder for each hour, with one JSON object per
line. Source: the files that jobs leave below profiler-output/system.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from container.contract.errors import ReportError
from container.report.json_files import read_lines
from container.report.profile_record import Series

FOLDER = "system"

_FIELDS = ("Type", "Dimension", "Value", "NodeId", "Timestamp")


def read_system_metrics(directory: Path) -> Sequence[Series]:
    """Read all series below `directory/system`, their samples in order of time; none if there are no files.

    Raises:
        ReportError: A file is damaged before its last line.
    """
    samples: defaultdict[tuple[str, str, str, str], tuple[list[float], list[float]]]
    samples = defaultdict(lambda: ([], []))
    for file in sorted((directory / FOLDER).rglob("*.json")):
        for sample in read_lines(file):
            if not isinstance(sample, dict) or any(field not in sample for field in _FIELDS):
                raise ReportError(f"{file}: a line lacks the fields {', '.join(_FIELDS)} of SageMaker's system metrics")
            # Early versions of the agent omit the name where there is only one, as for memory.
            key = (sample["Type"].lower(), sample.get("Name") or "", sample["Dimension"] or "", sample["NodeId"])
            times, values = samples[key]
            times.append(float(sample["Timestamp"]))
            values.append(float(sample["Value"]))
    found = []
    for (kind, name, dimension, node), (times, values) in sorted(samples.items(), key=lambda item: _order(item[0])):
        order = np.argsort(times, kind="stable")
        found.append(
            Series(
                kind=kind,
                name=name,
                dimension=dimension,
                node=node,
                times=np.array(times, dtype=np.float64)[order],
                values=np.array(values, dtype=np.float64)[order],
            )
        )
    return found


def _order(key: tuple[str, str, str, str]) -> tuple[str, str, str, int, str]:
    kind, name, dimension, node = key
    digits = "".join(character for character in name if character.isdigit())
    return kind, dimension, node, int(digits or 0), name
