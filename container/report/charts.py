"""Charts of the reports as plotly figures in plain JSON; colours are the page's, by the number of the series."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from container.page import Figure
from container.report.profile_record import Column

MOST_POINTS = 500
"""Of a line or a row of bars; more are averaged in groups, which a page of a long job could not hold otherwise."""

LIMIT = 5
"""Series number of thresholds."""


def figure(traces: Sequence[Mapping[str, Any]], x: str, y: str, *, height: int = 300, **layout: Any) -> Figure:
    """A chart with titled axes.

    Args:
        traces: plotly's; `meta` is the number of the colour.
        x: Title of the axis, with the unit.
        y: Likewise.
        height: Pixels.
        layout: Further settings; `xaxis` and `yaxis` are added to the axes.
    """
    axes = {
        "xaxis": {"title": {"text": x}, "fixedrange": True, "automargin": True, **layout.pop("xaxis", {})},
        "yaxis": {
            "title": {"text": y},
            "fixedrange": True,
            "automargin": True,
            "rangemode": "tozero",
            **layout.pop("yaxis", {}),
        },
    }
    return {
        "data": [dict(trace) for trace in traces],
        "layout": {"height": height, "showlegend": False} | axes | layout,
    }


def line(number: int, name: str, x: Column, y: Column, unit: str = "", **more: Any) -> dict[str, Any]:
    """A line in the colour of a series, of at most `MOST_POINTS` points.

    Args:
        number: Of the colour.
        name: For the reader's pointer.
        x: Where.
        y: What.
        unit: Of y, for the reader's pointer.
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
        "hovertemplate": f"{name}<br>%{{x:.4g}}: %{{y:.4g}} {unit}<extra></extra>",
        **more,
    }


def limit(name: str, value: float, start: float, end: float) -> dict[str, Any]:
    """A threshold, from one x to another."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "meta": LIMIT,
        "x": [start, end],
        "y": [value, value],
        "line": {"width": 1.5, "dash": "dash"},
        "hovertemplate": f"{name}: %{{y:.4g}}<extra></extra>",
    }


def histogram(values: Column, number: int, unit: str, *, bins: int = 50, most: float | None = None) -> dict[str, Any]:
    """Bars of how many values there are of each size.

    Args:
        values: At least one.
        number: Of the colour.
        unit: For the reader's pointer.
        bins: Their number.
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
        "hovertemplate": f"about %{{x:.4g}} {unit}: %{{y:,}}<extra></extra>",
    }


def grouped(values: Column, most: int = MOST_POINTS) -> Column:
    """Means of groups of neighbours, of equal size but for the last, so that at most `most` values are left."""
    size = -(-len(values) // most) if len(values) else 1
    if size == 1:
        return values
    starts = np.arange(0, len(values), size)
    return np.asarray(np.add.reduceat(values, starts) / np.diff([*starts, len(values)]), dtype=np.float64)


def rounded(values: Column) -> list[float]:
    """Six digits, which keeps the page small."""
    return [float(f"{value:.6g}") for value in values.tolist()]
