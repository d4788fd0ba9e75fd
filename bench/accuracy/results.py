"""Turns the curves of all runs into rows of a table, and compares them at equal time."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

CONTENDERS = {
    "modern": "ours, recipe=modern",
    "seed": "ours, recipe=seed",
    "seed-loop": "the seed project's loop",
    "timm": "timm's script, its defaults",
    "timm-fine-tuning": "timm's script, fine-tuning",
    "torchvision": "torchvision's reference",
    "fastai": "fastai's fine_tune",
}
TARGETS = (0.95, 0.98)
HEAD = (
    *("contender", "epochs", "seconds"),
    *(f"to {100 * target:g} %, s" for target in TARGETS),
    *("accuracy, %", "deviation", "lowest to highest", "last epoch's, %"),
)
"""The columns of `cells_of`."""
_PEERS = ("seed-loop", "timm", "timm-fine-tuning", "torchvision", "fastai")
_TIMES = 200
# Standard errors of a difference within which two means do not differ.
_NOISE = 2

Run = Sequence[tuple[float, float, float]]
"""Seconds, accuracy of the saved network, and accuracy of the network as it is, after each epoch of one run."""
Rows = dict[tuple[str, int], list[Run]]
"""The runs of all seeds, by contender and number of epochs."""


def results(rows: Rows) -> dict[str, Any]:
    """Compute everything that is printed, written and drawn, accuracies from 0 to 1."""
    found = {"rows": [_row(name, epochs, runs) for (name, epochs), runs in rows.items() if runs]}
    return {**found, "equal_time": _at_equal_time(rows), "seed_loop": _against_the_seed_loop(rows)}


def _row(name: str, epochs: int, runs: Sequence[Run]) -> dict[str, Any]:
    finals = [run[-1][1] for run in runs]
    return {
        "contender": name,
        "epochs": epochs,
        "accuracy": statistics.mean(finals),
        "accuracy_deviation": statistics.stdev(finals) if len(finals) > 1 else 0.0,
        "accuracy_range": [min(finals), max(finals)],
        "last_epoch": statistics.mean(run[-1][2] for run in runs),
        "seconds": statistics.mean(run[-1][0] for run in runs),
        "reached": {f"{target:g}": _reached(runs, target) for target in TARGETS},
        "runs": [[[round(seconds, 3), *accuracies] for seconds, *accuracies in run] for run in runs],
    }


def _reached(runs: Sequence[Run], target: float) -> dict[str, Any]:
    """The median seconds to an accuracy over the runs that reached it, and how many did."""
    firsts = [first for run in runs if (first := _first(run, target)) is not None]
    return {"runs": len(firsts), "seconds": statistics.median(firsts) if firsts else None}


def _first(run: Run, target: float) -> float | None:
    return next((seconds for seconds, accuracy, _ in run if accuracy >= target), None)


def accuracy_at(run: Run, seconds: float) -> float:
    """The accuracy of the last test by then; 0 before the first."""
    return next((accuracy for at, accuracy, _ in reversed(run) if at <= seconds), 0.0)


def _mean_and_error(runs: Sequence[Run], seconds: float) -> tuple[float, float]:
    values = [accuracy_at(run, seconds) for run in runs]
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return statistics.mean(values), error


def _best(rows: Rows, names: Sequence[str], seconds: float) -> tuple[float, float, str]:
    """The highest mean of some contenders at a time, over the lengths too; its standard error, and whose it is."""
    return max((*_mean_and_error(runs, seconds), name) for (name, _), runs in rows.items() if name in names and runs)


def _at_equal_time(rows: Rows) -> dict[str, Any] | None:
    """Compare the modern recipe with the best peer at times up to the longest run's end."""
    present = {name for (name, _), runs in rows.items() if runs}
    peers = [name for name in _PEERS if name in present]
    if "modern" not in present or not peers:
        return None
    end = max(run[-1][0] for runs in rows.values() for run in runs)
    behind: list[tuple[float, float, str]] = []
    for number in range(1, _TIMES + 1):
        seconds = number * end / _TIMES
        mine, my_error, _ = _best(rows, ("modern",), seconds)
        theirs, their_error, name = _best(rows, peers, seconds)
        if theirs - mine > _NOISE * math.hypot(my_error, their_error):
            behind.append((theirs - mine, seconds, name))
    largest, seconds, name = max(behind, default=(0.0, 0.0, ""))
    return {
        "seconds": end,
        "share_behind": len(behind) / _TIMES,
        "largest_deficit": largest,
        "largest_deficit_seconds": seconds,
        "largest_deficit_to": name,
    }


def _against_the_seed_loop(rows: Rows) -> dict[str, Any] | None:
    """How long ours takes to reach the mean final accuracy of the seed project's loop, by its longest run."""
    loops = {epochs: runs for (name, epochs), runs in rows.items() if name == "seed-loop" and runs}
    ours = [runs for (name, _), runs in rows.items() if name == "modern" and runs]
    if not loops or not ours:
        return None
    runs = loops[max(loops)]
    accuracy, seconds = statistics.mean(run[-1][1] for run in runs), statistics.mean(run[-1][0] for run in runs)
    reached = [_reached(mine, accuracy) for mine in ours]
    full = [each["seconds"] for each, mine in zip(reached, ours, strict=True) if each["runs"] == len(mine)]
    needed = min(full, default=None)
    return {
        "accuracy": accuracy,
        "seconds": seconds,
        "our_seconds": needed,
        "share": None if needed is None else needed / seconds,
    }


def table(result: Mapping[str, Any]) -> str:
    """Format the results as text."""
    counts = result["pictures"]
    cells = [list(HEAD), *map(cells_of, result["rows"])]
    widths = [max(len(row[column]) for row in cells) for column in range(len(HEAD))]
    lines = [
        f"{result['network']}, {result['image_size']} px, batch {result['batch_size']}, {result['seeds']} seeds; "
        f"{counts['train']} pictures to train on, {counts['test']} to test on",
        str(result["device"]),
        *(f"ours with {name} {value}" for name, value in result["ours"].items()),
        "",
    ]
    for row in cells:
        rest = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        lines.append("  ".join((row[0].ljust(widths[0]), *rest)).rstrip())
    return "\n".join([*lines, "", *verdicts(result)])


def cells_of(row: Mapping[str, Any]) -> list[str]:
    """Format a row for the table and the page."""
    return [
        CONTENDERS[row["contender"]],
        str(row["epochs"]),
        f"{row['seconds']:.1f}",
        *(_reached_text(each, len(row["runs"])) for each in row["reached"].values()),
        f"{100 * row['accuracy']:.2f}",
        f"{100 * row['accuracy_deviation']:.2f}",
        " to ".join(f"{100 * edge:.2f}" for edge in row["accuracy_range"]),
        f"{100 * row['last_epoch']:.2f}",
    ]


def _reached_text(reached: Mapping[str, Any], runs: int) -> str:
    if not reached["runs"]:
        return "never"
    seconds = f"{reached['seconds']:.1f}"
    return seconds if reached["runs"] == runs else f"{seconds} ({reached['runs']} of {runs})"


def verdicts(result: Mapping[str, Any]) -> list[str]:
    """Say how the modern recipe compares, in sentences."""
    lines = []
    if compared := result["equal_time"]:
        when = f"At equal time, up to {compared['seconds']:.0f} s, ours (modern) is"
        line = f"{when} never behind the best peer beyond noise"
        if compared["share_behind"]:
            line = (
                f"{when} behind the best peer by more than noise {100 * compared['share_behind']:.0f} % of the time, "
                f"at most {100 * compared['largest_deficit']:.1f} points, to "
                f"{CONTENDERS[compared['largest_deficit_to']]} at {compared['largest_deficit_seconds']:.1f} s"
            )
        lines.append(line)
    if loop := result["seed_loop"]:
        goal = f"The seed project's loop ends at {100 * loop['accuracy']:.2f} % after {loop['seconds']:.1f} s"
        if loop["share"] is None:
            lines.append(f"{goal}; not all runs of ours (modern) reach that")
        else:
            times = f"{loop['our_seconds']:.1f} s, {loop['share']:.2f} of that time (target 0.2)"
            lines.append(f"{goal}; ours (modern) reaches that after {times}")
    return lines
