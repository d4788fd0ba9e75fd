"""Summarises a soak's samples and faults: phases, error budget, recovery times and memory."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bench.serving.faults import HARMLESS, Fault
from bench.serving.load import Samples
from bench.serving.points import percentile_ms

QUIET = "no fault"
_MEGABYTE = 1e6
_LONG_ENOUGH_S = 120.0


def results(
    samples: Samples,
    faults: Sequence[Fault],
    pings: Sequence[tuple[float, bool]],
    memory: Sequence[tuple[float, Mapping[str, int]]],
) -> dict[str, Any]:
    """Compute the soak's results.

    Args:
        samples: Of the continuous load.
        faults: In order of time.
        pings: From `Monitor`.
        memory: From `Monitor`.
    """
    phase_of = [_phase(faults, start, end) for start, end in zip(samples.start, samples.end, strict=True)]
    phases = [_summary(QUIET, samples, [phase is None for phase in phase_of])]
    for fault in faults:
        phases.append(
            _summary(fault.kind, samples, [phase is fault for phase in phase_of])
            | {
                "at_s": round(fault.start - samples.start[0], 1),
                "recovered_answers_s": _to_answers(samples, fault),
                "recovered_ping_s": _to_ping(pings, fault),
                "own_statuses": _named(fault.statuses),
            }
        )
    within = [fault.kind for fault in faults if fault.kind in HARMLESS]
    budget = [phase for phase in phases if phase["phase"] in (QUIET, *within)]
    return {
        "requests": len(samples.status),
        "errors_outside_faults": sum(phase["failed"] for phase in budget),
        "errors_within_faults": sum(phase["failed"] for phase in phases) - sum(phase["failed"] for phase in budget),
        "problems": [fault.problem for fault in faults if fault.problem],
        "p50_ms": phases[0]["p50_ms"],
        "p99_ms": phases[0]["p99_ms"],
        "phases": phases,
        **_memory(memory, faults),
    }


def table(result: Mapping[str, Any]) -> str:
    """Format the results as text."""
    lines = [
        f"{result['model']}, {result['image_size']} px; engine {result['engine']}; {result['minutes']:g} minutes at "
        f"{result['rate_per_s']:.1f} requests/s, {result['load_percent']:.0f} % of {result['capacity_per_s']:.1f}",
        str(result["device"]),
        "",
        f"{'phase':16} {'at s':>7} {'requests':>9} {'p50 ms':>9} {'p99 ms':>9}  "
        f"{'answers again, s':>16} {'/ping, s':>8}  statuses",
    ]
    for phase in result["phases"]:
        statuses = " ".join(f"{name}:{count}" for name, count in phase["statuses"].items())
        own = " ".join(f"{name}:{count}" for name, count in phase.get("own_statuses", {}).items())
        lines.append(
            f"{phase['phase']:16} {_shown(phase.get('at_s')):>7} {phase['requests']:9} {_shown(phase['p50_ms']):>9} "
            f"{_shown(phase['p99_ms']):>9}  {_shown(phase.get('recovered_answers_s')):>16} "
            f"{_shown(phase.get('recovered_ping_s')):>8}  {statuses}{f' (its own: {own})' if own else ''}"
        )
    lines += ["", f"{'memory, MB':16} {'start':>9} {'end':>9} {'an hour':>9}"]
    for part in result["memory_parts"]:
        start, end, slope = (result[f"{_memory_of(part)}_{what}"] for what in ("start_mb", "end_mb", "mb_per_h"))
        lines.append(f"{part:16} {start:9.1f} {end:9.1f} {'' if slope is None else f'{slope:+.1f}':>9}".rstrip())
    lines += ["", *result["problems"]]
    outside = result["errors_outside_faults"]
    lines.append(f"errors outside of faults: {outside}{' (none is allowed)' if outside else ''}")
    return "\n".join(lines)


def _phase(faults: Sequence[Fault], start: float, end: float) -> Fault | None:
    """Find the fault during which a request was waiting, if any."""
    return next((fault for fault in faults if start <= fault.end and end >= fault.start), None)


def _summary(name: str, samples: Samples, chosen: Sequence[bool]) -> dict[str, Any]:
    rows = [
        row for row, is_chosen in zip(zip(samples.start, samples.end, samples.status, strict=True), chosen, strict=True)
        if is_chosen
    ]  # fmt: skip
    good = [end - start for start, end, status in rows if status == 200]
    return {
        "phase": name,
        "requests": len(rows),
        "failed": len(rows) - len(good),
        "statuses": _named(Counter(status for _, _, status in rows)),
        "p50_ms": percentile_ms(good, 50),
        "p99_ms": percentile_ms(good, 99),
    }


def _to_answers(samples: Samples, fault: Fault) -> float:
    """Compute the seconds from the fault to the first answer after the last failure; 0 if none failed."""
    rows = sorted(
        row for row in zip(samples.start, samples.end, samples.status, strict=True)
        if row[0] <= fault.end and row[1] >= fault.start
    )  # fmt: skip
    failed = [start for start, _, status in rows if status != 200]
    if not failed:
        return 0.0
    later = [end for start, end, status in rows if status == 200 and start > failed[-1]]
    return round((later[0] if later else fault.end) - fault.start, 2)


def _to_ping(pings: Sequence[tuple[float, bool]], fault: Fault) -> float:
    """Compute the seconds from the fault until `/ping` returned 200 again; 0 if it always did."""
    bad = [when for when, ready in pings if fault.start <= when <= fault.end and not ready]
    if not bad:
        return 0.0
    later = [when for when, ready in pings if when > bad[-1] and ready]
    return round((later[0] if later else fault.end) - fault.start, 2)


def _memory(memory: Sequence[tuple[float, Mapping[str, int]]], faults: Sequence[Fault]) -> dict[str, Any]:
    """Summarise memory by part and in total, outside of faults: medians of the first and last tenth, and the slope."""
    calm = [row for row in memory if _phase(faults, row[0], row[0]) is None] or list(memory)
    when = np.array([time for time, _ in calm])
    parts = {part: np.array([sizes[part] for _, sizes in calm]) / _MEGABYTE for part in calm[0][1]}
    parts["all"] = np.sum(list(parts.values()), axis=0)
    result: dict[str, Any] = {"memory_parts": list(parts)}
    tenth = max(1, len(calm) // 10)
    for part, sizes in parts.items():
        name = _memory_of(part)
        # Over a shorter time the slope is meaningless.
        long_enough = when[-1] - when[0] >= _LONG_ENOUGH_S
        slope = np.polyfit(when - when[0], sizes, 1)[0] * 3600 if long_enough else None
        result[f"{name}_start_mb"] = round(float(np.median(sizes[:tenth])), 1)
        result[f"{name}_end_mb"] = round(float(np.median(sizes[-tenth:])), 1)
        result[f"{name}_mb_per_h"] = None if slope is None else round(float(slope), 1)
    return result


def _memory_of(part: str) -> str:
    return f"memory_{part.replace(' ', '_')}"


def _named(statuses: Mapping[int, int]) -> dict[str, int]:
    return {str(status) if status else "lost": count for status, count in sorted(statuses.items())}


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
