"""Reads a profile directory, written by our profiler or by SageMaker's profiler agent."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from container.contract.errors import ReportError
from container.contract.step_phases import PHASES
from container.report.framework_timeline import read_framework_steps
from container.report.json_files import read_lines, read_object
from container.report.profile_record import (
    OTHER,
    Column,
    Operators,
    Process,
    Profile,
    Series,
    Span,
    Steps,
)
from container.report.system_metrics import read_system_metrics

CARD = "profile.json"
_REQUIRED = ("step", "epoch", "start", "wall", "pictures")
_RANK = re.compile(r"rank-(\d+)\.jsonl")


def read_profile(directory: Path) -> Profile:
    """Read the profile in a directory.

    Raises:
        ReportError: The directory is missing or holds no profile, another version wrote it, or a file is damaged.
    """
    if not directory.is_dir():
        raise ReportError(f"there is no directory {directory}; a job writes it with profile=true, which is the default")
    system = read_system_metrics(directory)
    if (directory / CARD).is_file():
        return _read_own(directory, system)
    steps = read_framework_steps(directory)
    if not system and not steps:
        found = ", ".join(sorted(path.name for path in directory.iterdir())[:6]) or "nothing"
        raise ReportError(
            f"{directory} holds no profile: neither {CARD}, which Slipway's profiler writes, nor system/incremental or "
            f"framework/pevents, which SageMaker's does. It holds: {found}"
        )
    return _read_sagemakers(directory, system, steps)


def _read_own(directory: Path, system: Sequence[Series]) -> Profile:
    card = read_object(directory / CARD)
    try:
        return Profile(
            own=True,
            job=str(card["job"]),
            started=float(card["started"]),
            # A job can be interrupted before its first step.
            training_started=float(card["training_started"] or card["ended"]),
            ended=float(card["ended"]),
            device=card["device"],
            device_name=card.get("device_name", ""),
            gpus=card.get("gpus", ()),
            precision=card.get("precision", ""),
            cpus=int(card["cpus"]),
            workers=int(card["workers"]),
            batch_size=int(card["batch_size"]),
            pictures=card.get("pictures", {}),
            step_seconds={int(size): float(seconds) for size, seconds in card.get("step_seconds", {}).items()},
            settings=card.get("settings", {}),
            versions=card.get("versions", {}),
            peak_gpu_memory_bytes=card.get("peak_gpu_memory_bytes", ()),
            processes=[
                Process(rank=entry["rank"], node=entry["node"], local_rank=entry["local_rank"])
                for entry in card.get("processes", ())
            ],
            steps=_read_steps(directory / "steps"),
            spans=_read_spans(directory / "phases"),
            system=system,
            operators=_read_operators(directory / "window" / "operators.json"),
        )
    except (KeyError, TypeError, ValueError) as error:
        what = f"the field {error} is missing" if isinstance(error, KeyError) else str(error)
        raise ReportError(f"{directory / CARD} is damaged: {what}") from error


def _read_sagemakers(directory: Path, system: Sequence[Series], steps: Sequence[Steps]) -> Profile:
    starts = [float(series.times[0]) for series in system] + [float(each.start[0]) for each in steps]
    ends = [float(series.times[-1]) for series in system] + [each.end for each in steps]
    first = min((float(each.start[0]) for each in steps), default=None)
    return Profile(
        own=False,
        job=directory.resolve().name,
        started=min(starts),
        training_started=_first_work(system) if first is None else first,
        ended=max(ends),
        steps=steps,
        system=system,
    )


def _first_work(system: Sequence[Series]) -> float:
    """When a GPU was first busy, the best estimate of the first step; without a GPU, the first sample."""
    busy = [
        float(series.times[np.argmax(series.values > 0)])
        for series in system
        if series.dimension == "GPUUtilization" and (series.values > 0).any()
    ]
    return min(busy, default=min(float(series.times[0]) for series in system))


def _read_steps(folder: Path) -> Sequence[Steps]:
    found = {}
    for file in folder.glob("rank-*.jsonl"):
        if match := _RANK.fullmatch(file.name):
            steps = _read_rank(file, int(match[1]))
            if len(steps):
                found[steps.rank] = steps
    return [found[rank] for rank in sorted(found)]


def _read_rank(file: Path, rank: int) -> Steps:
    head, *rows = [*read_lines(file)] or [None]
    names = head.get("columns") if isinstance(head, dict) else None
    if not isinstance(names, list) or any(name not in names for name in _REQUIRED):
        raise ReportError(f"{file}: its first line does not name the columns {', '.join(_REQUIRED)}")
    if any(not isinstance(row, list) or len(row) != len(names) for row in rows):
        raise ReportError(f"{file}: a line does not have the {len(names)} columns that the first line names")
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(names))
    columns: dict[str, Column] = {name: table[:, index] for index, name in enumerate(names)}
    phases: dict[str, Column] = {name: columns[name] for name in PHASES if name in columns}
    if phases:
        # The clocks of host and device differ slightly.
        phases[OTHER] = np.maximum(columns["wall"] - sum(phases.values()), 0.0)
    return Steps(rank=rank, phases=phases, **{name: columns[name] for name in _REQUIRED})


def _read_spans(folder: Path) -> Sequence[Span]:
    file = folder / "rank-00000.jsonl"
    if not file.is_file():
        return []
    entries: list[dict[str, Any]] = list(read_lines(file))
    return [
        Span(name=entry["name"], epoch=entry["epoch"], start=float(entry["start"]), seconds=float(entry["seconds"]))
        for entry in entries
    ]


def _read_operators(file: Path) -> Operators | None:
    if not file.is_file():
        return None
    fields = read_object(file)
    return Operators(
        first_step=int(fields["first_step"]),
        steps=int(fields["steps"]),
        device=str(fields["device"]),
        operators=fields["operators"],
        kernels=fields.get("kernels", ()),
    )
