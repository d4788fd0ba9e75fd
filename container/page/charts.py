"""Parts of charts, in plain JSON; the page draws them, and sets the colours by the number of the series.

The form is a subset of plotly's: traces of the types scatter, bar and heatmap, and the settings of traces and axes that
`templates/chart` reads. A library that draws them would weigh more than all else on a page: plotly's is 4.8 MB.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from container.page.rendering import Figure

Column = npt.NDArray[np.float64]

MOST_POINTS = 500
"""Most points of a line or a row of bars; more are averaged in groups, which keeps the page of a long job small."""

_LIMIT = 5
"""Number of the series whose colour thresholds have."""


def figure(traces: Sequence[Mapping[str, Any]], x: str, y: str, *, height: int = 300, **layout: Any) -> Figure:
    """Make a chart with titled axes.

    Args:
        traces: Of the types scatter, bar and heatmap; `meta` is the number of the colour.
        x: Title of the x axis, with the unit; empty for none.
        y: Title of the y axis, with the unit; empty for none.
        height: Pixels.
        layout: Further settings; `xaxis` and `yaxis` are merged into the axes.
    """
    axes = {
        "xaxis": _title(x) | layout.pop("xaxis", {}),
        "yaxis": _title(y) | {"rangemode": "tozero"} | layout.pop("yaxis", {}),
    }
    types = [trace["type"] for trace in traces]
    if unknown := set(types) - {"scatter", "bar", "heatmap"}:
        raise ValueError(f"the pages cannot draw traces of the type {min(unknown)}")
    if types.count("bar") > 1 and layout.get("barmode") != "stack":
        raise ValueError("several traces of bars need barmode=stack")
    return {"data": [dict(trace) for trace in traces], "layout": {"height": height} | axes | layout}


def _title(text: str) -> dict[str, Any]:
    return {"title": {"text": text}} if text else {}


def label(name: str, most: int = 0) -> str:
    """Shorten a name for a chart.

    Args:
        name: Of a class, a job or the like.
        most: Characters to shorten it to; 0: all.
    """
    return name if not most or len(name) <= most else name[: most - 1] + "…"


def line(number: int, name: str, x: Column, y: Column, unit: str = "", **more: Any) -> dict[str, Any]:
    """Make a line of at most `MOST_POINTS` points.

    Args:
        number: The series, which determines the colour.
        name: Shown on hovering.
        x: Positions.
        y: Values.
        unit: Of y, shown on hovering.
        more: Further settings of the trace.
    """
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "meta": number,
        "x": rounded(grouped(x)),
        "y": rounded(grouped(y)),
        "line": {"width": 1.5},
        "hovertemplate": f"{name}<br>%{{x:.4g}}: %{{y:.4g}} {unit}",
        **more,
    }


def limit(
    name: str, value: float, start: float | str, end: float | str, unit: str = "", *, upright: bool = False
) -> dict[str, Any]:
    """Make the dashed line of a threshold.

    Args:
        name: Shown on hovering.
        value: The threshold, on the y axis.
        start, end: Where the line begins and ends, on the x axis.
        unit: Of the value, shown on hovering.
        upright: Swap the axes.
    """
    axes = {"x": [start, end], "y": [value, value]}
    if upright:
        axes = {"x": axes["y"], "y": axes["x"]}
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "meta": _LIMIT,
        "line": {"width": 1.5, "dash": "dash"},
        "hovertemplate": f"{name}: %{{{'x' if upright else 'y'}:.4g}} {unit}",
        **axes,
    }


def histogram(values: Column, number: int, unit: str, *, bins: int = 50, most: float | None = None) -> dict[str, Any]:
    """Make the bars of a histogram.

    Args:
        values: At least one.
        number: The series, which determines the colour.
        unit: Of the values, shown on hovering.
        bins: Number of bars.
        most: Larger values are counted in the last bar.
    """
    clipped = np.minimum(values, most) if most is not None else values
    counts, edges = np.histogram(clipped, bins=bins)
    return {
        "type": "bar",
        "meta": number,
        "x": rounded((edges[:-1] + edges[1:]) / 2),
        "y": counts.tolist(),
        "width": float(edges[1] - edges[0]) * 0.92,
        "hovertemplate": f"about %{{x:.4g}} {unit}: %{{y:,}}",
    }


def grouped(values: Column, most: int = MOST_POINTS) -> Column:
    """Average groups of neighbours, of equal size but for the last, so that at most `most` values remain."""
    size = -(-len(values) // most) if len(values) else 1
    if size == 1:
        return values
    starts = np.arange(0, len(values), size)
    return np.asarray(np.add.reduceat(values, starts) / np.diff([*starts, len(values)]), dtype=np.float64)


def rounded(values: Column) -> list[float]:
    """Round to six digits, which keeps the page small."""
    return [float(f"{value:.6g}") for value in values.tolist()]
