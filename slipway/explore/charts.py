"""Charts of `slipway data explore`; a split has the same colour in all of them."""

from collections import Counter

from container.page import Figure
from container.page.charts import figure, label
from slipway.explore.findings import Findings
from slipway.explore.scan import Dataset

_LABEL_CHARACTERS = 20
_BAR_PX = 26
_MANY_CLASSES_BAR_PX = 16
_MOST_POINTS = 1_500


def class_chart(dataset: Dataset, findings: Findings) -> Figure:
    """Draw the pictures of each class as stacked bars, in the order of `findings.labels` from the top."""
    labels = [label(name) for name in findings.labels]
    traces = []
    for number, split in enumerate(dataset.splits):
        counts = [findings.counts[split][name] for name in findings.labels]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": split,
                "meta": number,
                "y": labels,
                "x": counts,
                "text": [f"{count:,}" if count else "" for count in counts],
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "hovertemplate": "%{y}<br>%{x:,} in " + split + "<extra></extra>",
            }
        )
    bar_px = _BAR_PX if len(labels) <= 40 else _MANY_CLASSES_BAR_PX
    return figure(
        traces,
        "pictures",
        "",
        height=70 + bar_px * len(labels),
        barmode="stack",
        bargap=0.18,
        uniformtext={"minsize": 9, "mode": "hide"},
        xaxis={"side": "top", "rangemode": "tozero"},
        yaxis={
            "autorange": "reversed",
            "tickmode": "array",
            "tickvals": labels,
            "ticktext": [label(name, _LABEL_CHARACTERS) for name in findings.labels],
            "type": "category",
        },
    )


def size_chart(dataset: Dataset) -> Figure | None:
    """Plot width against height, with a point's area for the number of pictures; None if all have the same size."""
    step = 1
    points = _binned(dataset, step)
    if len({(width, height) for _, width, height in points}) < 2:
        return None
    while len(points) > _MOST_POINTS:
        step *= 2
        points = _binned(dataset, step)
    most = max(points.values())
    suffix = "" if step == 1 else f", rounded to {step} pixels"
    traces = []
    for number, split in enumerate(dataset.splits):
        of_split = [(width, height, count) for (name, width, height), count in points.items() if name == split]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": split,
                "meta": number,
                "x": [width for width, _, _ in of_split],
                "y": [height for _, height, _ in of_split],
                "customdata": [count for _, _, count in of_split],
                "marker": {
                    "size": [count for _, _, count in of_split],
                    "sizemode": "area",
                    "sizeref": 2 * most / 24**2,
                    "sizemin": 4,
                    "opacity": 0.6,
                },
                "hovertemplate": "%{x} x %{y} pixels<br>%{customdata:,} in " + split + "<extra></extra>",
            }
        )
    sides = [side for _, width, height in points for side in (width, height)]
    scale = "log" if max(sides) > 20 * max(1, min(sides)) else "linear"
    axis = {"type": scale, "rangemode": "tozero", "nticks": 6}
    return figure(traces, f"width, pixels{suffix}", "height, pixels", height=400, xaxis=axis, yaxis=axis)


def _binned(dataset: Dataset, step: int) -> Counter[tuple[str, int, int]]:
    return Counter(
        (picture.split, _round(picture.width, step), _round(picture.height, step)) for picture in dataset.pictures
    )


def _round(side: int, step: int) -> int:
    return max(1, round(side / step) * step)
