"""Writes a part's measurements line by line, so that a time limit loses only what is not yet measured."""

import gc
import json
import math
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.telling import tell


class Record:
    """A file of JSON lines, one for each measurement: its `name`, its labels, and its results.

    In place of results, a failed measurement has `error`, and one that cannot run here has `skipped`.

    Args:
        path: The file; measurements are appended.
        ends_at: By `time.monotonic()`, when the part has to be done.
    """

    def __init__(self, path: Path, *, ends_at: float) -> None:
        self._path = path
        self._ends_at = ends_at
        self.failed = False
        """Whether a measurement has failed."""

    @property
    def left_s(self) -> float:
        """Seconds until the part has to be done."""
        return max(0.0, self._ends_at - time.monotonic())

    def add(self, name: str, **values: object) -> None:
        """Write a measurement, and show it."""
        values = {key: _rounded(value) for key, value in values.items()}
        with self._path.open("a") as file:
            file.write(json.dumps({"name": name, **values}) + "\n")
        tell(f"{name}: " + ", ".join(f"{key} {_short(value)}" for key, value in values.items()))

    def skip(self, name: str, why: str, **labels: object) -> None:
        """Write that something is not measured, and why."""
        self.add(name, **labels, skipped=why)

    def measure(
        self, name: str, run: Callable[[], Mapping[str, object]], *, takes_s: float = 0.0, **labels: object
    ) -> None:
        """Run a measurement and write its result, or its error; never raises.

        Args:
            name: Of the measurement.
            run: Measures.
            takes_s: Seconds that it takes; it is skipped if fewer are left.
            labels: The settings it is measured with.
        """
        if self.left_s < takes_s:
            self.skip(name, f"it takes {takes_s:.0f} s, and {self.left_s:.0f} s are left", **labels)
            return
        try:
            found = run()
        except Exception as error:  # noqa: BLE001 - the other measurements go on
            traceback.print_exc()
            self.failed = True
            self.add(name, **labels, error=f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
        else:
            self.add(name, **labels, **found)
        _free_memory()


def read(path: Path) -> list[dict[str, Any]]:
    """Read a file's measurements; none if there is no file. An incomplete line is ignored."""
    found = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _free_memory() -> None:
    """Free a measurement's memory, which a traceback may have held until now."""
    import torch

    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


def _rounded(value: object) -> object:
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return str(value)
    return round(value, 5) if abs(value) < 10 else round(value, 1)


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 100 and "\n" not in text else f"({len(text)} characters)"
