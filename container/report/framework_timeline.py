"""Reads whole steps from SageMaker's framework timeline: smdebug's `…_pythontimeline.json` below framework/pevents.

A file is a JSON array with one event per line; a file that is still being written lacks the end.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from container.report.profile_record import Steps

_TRAIN_STEP = "Step:ModeKeys.TRAIN"
_NAME = re.compile(r"\d+_(?P<process>.+)_pythontimeline\.json")


def read_framework_steps(directory: Path) -> Sequence[Steps]:
    """Read the training steps of each process below `directory/framework/pevents`; none if there are no files."""
    found: dict[str, list[tuple[float, float, int]]] = {}
    for file in sorted((directory / "framework" / "pevents").rglob("*_pythontimeline.json")):
        match = _NAME.fullmatch(file.name)
        if match:
            found.setdefault(match["process"], []).extend(_read(file))
    return [
        _steps(rank, sorted(set(events)))
        for rank, events in enumerate(events for _, events in sorted(found.items()) if events)
    ]


def _read(file: Path) -> list[tuple[float, float, int]]:
    """Read start (epoch seconds), duration (seconds) and number of each step."""
    base_us = 0.0
    steps: list[tuple[float, float, int]] = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line.strip().rstrip(",").removeprefix("[").removesuffix("]") or "null")
        except ValueError:
            continue  # the line being written
        if not isinstance(event, dict):
            continue
        arguments = event.get("args", {})
        base_us = float(arguments.get("start_time_since_epoch_in_micros", base_us))
        if event.get("ph") == "X" and event.get("name") == _TRAIN_STEP:
            start_s = (base_us + float(event["ts"])) / 1e6
            steps.append((start_s, float(event["dur"]) / 1e6, int(arguments.get("step_num", len(steps)))))
    return steps


def _steps(rank: int, events: Sequence[tuple[float, float, int]]) -> Steps:
    start, wall, _ = (np.array(column, dtype=np.float64) for column in zip(*events, strict=True))
    # smdebug counts from 0, and some versions start again after an evaluation.
    number = np.arange(1, len(events) + 1, dtype=np.float64)
    return Steps(
        rank=rank,
        step=number,
        epoch=np.ones_like(number),
        start=start,
        wall=wall,
        pictures=np.zeros_like(number),
    )
