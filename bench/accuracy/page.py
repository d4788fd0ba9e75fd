"""Renders a page with the accuracies over time, and their spread over the seeds."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.accuracy.results import CONTENDERS, HEAD, cells_of, verdicts
from container.page import Figure
from container.page import render as render_page
from container.page.charts import figure, line, rounded

# Number of the colour, and the dash.
_LOOKS = {
    "modern": (0, "solid"),
    "seed": (0, "dot"),
    "seed-loop": (1, "solid"),
    "timm": (2, "dot"),
    "timm-fine-tuning": (2, "solid"),
    "torchvision": (3, "solid"),
    "fastai": (5, "solid"),
}


def render(result: Mapping[str, Any]) -> str:
    """Render the page of `results`, with the curves of the longest runs."""
    longest = max(row["epochs"] for row in result["rows"])
    shown = [row for row in result["rows"] if row["epochs"] == longest]
    return render_page(
        "accuracy.html",
        {"accuracy-chart": _curves(shown)},
        result=result,
        head=HEAD,
        rows=[cells_of(row) for row in result["rows"]],
        verdicts=verdicts(result),
    )


def _curves(rows: list[Mapping[str, Any]]) -> Figure:
    traces = []
    for row in rows:
        number, dash = _LOOKS[row["contender"]]
        seconds = np.array([[at for at, *_ in run] for run in row["runs"]]).mean(axis=0)
        percent = 100 * np.array([[accuracy for _, accuracy, _ in run] for run in row["runs"]])
        traces.append(
            line(
                number,
                CONTENDERS[row["contender"]],
                seconds,
                percent.mean(axis=0),
                "%",
                mode="lines+markers",
                line={"width": 2, "dash": dash},
                error_y={"array": rounded(percent.std(axis=0)), "thickness": 1, "width": 3},
            )
        )
    legend = {"orientation": "h", "y": -0.15}
    return figure(traces, "seconds of training", "accuracy, %", height=560, showlegend=True, legend=legend)
