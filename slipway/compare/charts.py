"""The charts of a comparison; every job has one colour and one symbol in all of them."""

from collections.abc import Callable, Sequence
from typing import Any

from container.page import Figure
from slipway.compare.result import Epoch, Result

_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross")

_WIDE = 20
"""Largest loss over smallest, from which on the axis is logarithmic."""


def bars(
    results: Sequence[Result],
    value: Callable[[Result], float | None],
    text: Callable[[float], str],
    axis: str,
    most: float | None = None,
) -> Figure:
    """One bar for each job, from zero.

    Args:
        results: In their order, from the top.
        value: The length of a result's bar; None leaves it out.
        text: What is written at it.
        axis: Title of the axis, with the unit.
        most: Where the axis ends; None: at the longest bar.
    """
    values = [value(result) for result in results]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": result.name,
            "meta": number,
            "y": [result.name],
            "x": [found],
            "text": [text(found)],
            "textposition": "auto",
            "textangle": 0,
            "hovertemplate": f"%{{y}}<br>{text(found)}<extra></extra>",
        }
        for number, (result, found) in enumerate(zip(results, values, strict=True))
        if found is not None
    ]
    longest = most or max((found for found in values if found is not None), default=1.0)
    layout = {
        "barmode": "stack",
        "bargap": 0.25,
        "height": 60 + 36 * len(results),
        "xaxis": {"title": {"text": axis}, "range": [0, longest * 1.02], "fixedrange": True, "nticks": 6},
        "yaxis": _names(results),
        "showlegend": False,
    }
    return {"data": traces, "layout": layout}


def _names(results: Sequence[Result]) -> dict[str, Any]:
    names = [result.name for result in results]
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": names,
        "range": [len(names) - 0.5, -0.5],
        "automargin": True,
        "fixedrange": True,
    }


def loss_curves(results: Sequence[Result]) -> Figure:
    """Evaluation loss as a solid line, training loss as a dotted one."""
    traces = []
    for number, result in enumerate(results):
        solid = _curve(result, number, "evaluation", lambda epoch: epoch.eval_loss)
        dotted = _curve(result, number, "training", lambda epoch: epoch.train_loss)
        traces += [solid, {**dotted, "line": {"dash": "dot", "width": 1.5}, "mode": "lines"}]
    losses = [loss for trace in traces for loss in trace["y"] if loss > 0]
    # One loss that was high at first would press all others together at the bottom.
    logarithmic = len(losses) > 0 and max(losses) > _WIDE * min(losses)
    figure = _over_epochs(traces, "mean loss, logarithmic" if logarithmic else "mean loss")
    figure["layout"]["yaxis"] |= {"type": "log", "dtick": 1} if logarithmic else {"rangemode": "tozero"}
    return figure


def accuracy_curves(results: Sequence[Result]) -> Figure:
    """Evaluation accuracy after each epoch."""
    traces = [
        _curve(result, number, "evaluation", lambda epoch: epoch.eval_accuracy) for number, result in enumerate(results)
    ]
    return _over_epochs(traces, "evaluation accuracy, %")


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
        "hovertemplate": f"{result.name}, {what}<br>epoch %{{x}}: %{{y:.4g}}<extra></extra>",
    }


def _over_epochs(traces: list[dict[str, Any]], axis: str) -> Figure:
    last = max(max(trace["x"]) for trace in traces)
    step = max(1, round(last / 10))
    layout = {
        "height": 380,
        "xaxis": {"title": {"text": "epoch"}, "fixedrange": True, "tick0": 1, "dtick": step},
        "yaxis": {"title": {"text": axis}, "automargin": True, "fixedrange": True},
        "showlegend": False,
    }
    return {"data": traces, "layout": layout}
