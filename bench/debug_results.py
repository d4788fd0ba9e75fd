"""Turns `bench.debug`'s seconds per step into ratios and a table."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.debug_runs import INTERVAL
from bench.rounds import ratios

_ROWS = {
    "profiler": ("the profiler, on by default", "1.01"),
    "hook_off": ("the hook switched off", "1.00"),
    "hook_default_100": ("debug=true, every 100th step", "1.02"),
    "hook_all_1": ("everything saved at each step", ""),
    "smdebug_all_1": ("the same by smdebug 1.0.34", ""),
}
"""Label and target of each ratio."""


def results(seconds: Mapping[str, Sequence[float]], *, steps: int) -> dict[str, Any]:
    """Compute medians over the rounds, of ratios and of costs in milliseconds.

    Args:
        seconds: Per step, by configuration and round; smdebug's may be missing.
        steps: Of a run in which the hook saves once.
    """
    whole_interval = [
        (steps * saving + (INTERVAL - steps) * between) / INTERVAL
        for saving, between in zip(seconds["hook_default"], seconds["hook_between_saves"], strict=True)
    ]
    ours = ratios({**seconds, "hook_default_100": whole_interval}, "neither")
    result: dict[str, Any] = {"step_ms": _ms(seconds["neither"])}
    if "smdebug_all_1" in seconds:
        ours |= {"smdebug_all_1": ratios(seconds, "smdebug_neither")["smdebug_all_1"]}
    for name in filter(ours.__contains__, _ROWS):
        result[name] = round(ours[name].median, 4)
        result[f"{name}_quartiles"] = [round(edge, 4) for edge in ours[name].quartiles]
    result["hook_all_1_ms"] = _ms(_differences(seconds["hook_all_1"], seconds["neither"]))
    if "smdebug_all_1" in seconds:
        result["smdebug_all_1_ms"] = _ms(_differences(seconds["smdebug_all_1"], seconds["smdebug_neither"]))
        # None if a few steps show only noise.
        result["smdebug_over_ours"] = (
            round(result["smdebug_all_1_ms"] / result["hook_all_1_ms"], 2) if result["hook_all_1_ms"] > 0 else None
        )
    return result


def table(result: Mapping[str, Any]) -> str:
    """Format the results as text."""
    lines = [
        f"{result['model']}, {result['image_size']} px, batch {result['batch_size']}, amp {result['amp']}",
        f"{result['step_ms']} ms a step with neither",
        str(result["device"]),
        "",
        f"{'step time, ratio to neither':34} {'median':>7}  {'quartiles':16}  target",
    ]
    for name, (words, target) in _ROWS.items():
        low, high = result[f"{name}_quartiles"]
        lines.append(f"{words:34} {result[name]:7.3f}  {f'{low:.3f} to {high:.3f}':16}  {target}".rstrip())
    costs = f"{result['hook_all_1_ms']} ms a step, smdebug {result['smdebug_all_1_ms']} ms"
    times = result["smdebug_over_ours"]
    lines += ["", f"cost of saving everything: {costs}" + (f": {times} times as much (target: 5)" if times else "")]
    return "\n".join(lines)


def _differences(seconds: Sequence[float], baseline: Sequence[float]) -> list[float]:
    return [one - base for one, base in zip(seconds, baseline, strict=True)]


def _ms(seconds: Sequence[float]) -> float:
    return round(1000 * statistics.median(seconds), 2)
