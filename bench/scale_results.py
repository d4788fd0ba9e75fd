"""Turns `bench.scale`'s seconds per picture into throughput and tables."""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from bench.rounds import Ratios, ratios

_HEADINGS = {
    "num_workers": "workers",
    "image_size": "picture size, px",
    "batch_size": "batch size",
    "model_type": "model",
    "processes": "processes",
}


def rows(varied: str, seconds: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """Make a row for each value: images/s, and their ratio to the first value's.

    Args:
        varied: Name of the setting.
        seconds: Per picture, by value and round.
    """
    found = []
    for value, times in ratios(seconds, next(iter(seconds))).items():
        speed = Ratios([1 / time for time in times.of_rounds])
        found.append(
            {
                "varied": varied,
                "value": value,
                "images_per_s": round(1 / statistics.median(seconds[value]), 2),
                "ratio": round(speed.median, 4),
                "quartiles": [round(edge, 4) for edge in speed.quartiles],
            }
        )
    return found


def table(result: Mapping[str, Any]) -> str:
    """Format the results as text, with a table for each setting."""
    lines = [
        f"{result['model']}, {result['image_size']} px, batch {result['batch_size']} where they are not varied",
        f"{result['rounds']} rounds of {result['pictures']} pictures",
        str(result["device"]),
    ]
    for varied, of_one in itertools.groupby(result["rows"], key=lambda row: row["varied"]):
        lines += ["", f"{_HEADINGS[varied]:18} {'images/s':>9}  {'ratio':>6}  quartiles"]
        for row in of_one:
            low, high = row["quartiles"]
            lines.append(f"{row['value']:18} {row['images_per_s']:9.2f}  {row['ratio']:6.3f}  {low:.3f} to {high:.3f}")
    return "\n".join(lines)
