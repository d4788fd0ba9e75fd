"""Charts of a comparison; a job has the same colour and symbol in all of them."""

from collections.abc import Callable, Sequence
from typing import Any

from container.page import Figure
from container.page.charts import figure, label
from slipway.compare.result import Epoch, Result

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross")

_WIDE = 20
"""Ratio of the largest loss to the smallest above which the axis is logarithmic."""


def bars(
    results: Sequence[Result],
    value: Callable[[Result], float | None],
    text: Callable[[float], str],
    axis: str,
    most: float | None = None,
) -> Figure:
    """Draw a bar for each job, from zero.

    Args:
        results: In order from the top.
        value: Length of a result's bar; None for no bar.
        text: Label of a bar.
        axis: Title of the axis, with the unit.
        most: End of the axis; None: the longest bar.
    """
    values = [value(result) for result in results]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": result.name,
            "meta": number,
            "y": [label(result.name)],
            "x": [found],
            "text": [text(found)],
            "textposition": "auto",
            "textangle": 0,
            "hovertemplate": f"%{{y}}<br>{text(found)}",
        }
        for number, (result, found) in enumerate(zip(results, values, strict=True))
        if found is not None
    ]
    longest = most or max((found for found in values if found is not None), default=1.0)
    names = [label(result.name) for result in results]
    return figure(
        traces,
        axis,
        "",
        height=60 + 36 * len(results),
        barmode="stack",
        bargap=0.25,
        xaxis={"range": [0, longest * 1.02], "nticks": 6},
        yaxis={
            "type": "category",
            "categoryorder": "array",
            "categoryarray": names,
            "range": [len(names) - 0.5, -0.5],
        },
    )


def loss_curves(results: Sequence[Result]) -> Figure:
    """Draw evaluation loss as solid lines, training loss as dotted ones."""
    traces = []
    for number, result in enumerate(results):
        solid = _curve(result, number, "evaluation", lambda epoch: epoch.eval_loss)
        dotted = _curve(result, number, "training", lambda epoch: epoch.train_loss)
        traces += [solid, {**dotted, "line": {"dash": "dot", "width": 1.5}, "mode": "lines"}]
    losses = [loss for trace in traces for loss in trace["y"] if loss > 0]
    # A loss that was high at first would flatten all others.
    logarithmic = len(losses) > 0 and max(losses) > _WIDE * min(losses)
    if logarithmic:
        return _over_epochs(traces, "mean loss, logarithmic", type="log", rangemode="normal")
    return _over_epochs(traces, "mean loss")


def accuracy_curves(results: Sequence[Result]) -> Figure:
    """Draw evaluation accuracy after each epoch."""
    traces = [
        _curve(result, number, "evaluation", lambda epoch: epoch.eval_accuracy) for number, result in enumerate(results)
    ]
    return _over_epochs(traces, "evaluation accuracy, %", rangemode="normal")


def _curve(result: Result, number: int, what: str, value: Callable[[Epoch], float]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"{result.name}, {what}",
        "meta": number,
        "x": [epoch.epoch for epoch in result.epochs],
        "y": [value(epoch) for epoch in result.epochs],
        "line": {"width": 2},
        "marker": {"symbol": _SYMBOLS[number % len(_SYMBOLS)], "size": 7},
        "hovertemplate": f"{label(result.name)}, {what}<br>epoch %{{x}}: %{{y:.4g}}",
    }


def _over_epochs(traces: list[dict[str, Any]], axis: str, **yaxis: Any) -> Figure:
    last = max(max(trace["x"]) for trace in traces)
    step = max(1, round(last / 10))
    return figure(traces, "epoch", axis, height=380, xaxis={"tick0": 1, "dtick": step}, yaxis=yaxis)
