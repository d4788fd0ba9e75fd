"""Charts of a tuning page.

Not optuna.visualization's: those set colours of their own, which do not follow the theme, know no trials that were
stopped early, and need a study, which a tuning job on SageMaker does not have.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from container.contract.hyperparameters import Value
from container.page import Figure
from container.page.charts import figure
from slipway.requests.search_space import as_text
from slipway.tuning.table import show_value
from slipway.tuning.trial import Trial, Tuning

BEST_QUARTER, OTHERS = 1, 4
"""Numbers of the series, and so their colours, in the parallel coordinates."""

_ROW_PX = 84
# Above this ratio of the largest to the smallest value, a linear axis shows only the largest ones.
_WIDE = 20


def history_chart(tuning: Tuning) -> Figure:
    """Plot the objective of each trial in the order of their start, and the best so far."""
    trials = _measured(tuning)
    names = [trial.name for trial in tuning.trials]
    traces = _points(tuning, lambda trial: names.index(trial.name) + 1, "trial %{x}")
    completed = [trial for trial in trials if trial.status == "completed"]
    best = accumulate((_value(trial) for trial in completed), lambda one, other: tuning.objective.best([one, other]))
    traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "best so far",
            "meta": 2,
            "line": {"shape": "hv", "width": 2},
            "x": [names.index(trial.name) + 1 for trial in completed],
            "y": list(best),
            "hovertemplate": "best so far %{y:.4f}",
        }
    )
    axis = {"nticks": min(10, len(names)), "tickformat": "d"}
    return _figure(traces, tuning, "trial, in the order of their start", axis)


def importance_chart(shares: Mapping[str, float]) -> Figure:
    """Draw a bar for each share, in the order given, from the top."""
    trace = {
        "type": "bar",
        "orientation": "h",
        "meta": 0,
        "y": list(shares),
        "x": [100 * share for share in shares.values()],
        "text": [f"{100 * share:.0f} %" for share in shares.values()],
        "textposition": "auto",
        "hovertemplate": "%{y}<br>%{x:.1f} %",
    }
    return figure(
        [trace],
        "share of the variance, %",
        "",
        height=70 + 34 * len(shares),
        xaxis={"range": [0, 100]},
        yaxis={"autorange": "reversed", "type": "category"},
    )


def slice_chart(tuning: Tuning, name: str) -> Figure:
    """Plot the objective against one hyperparameter."""
    values = [trial.hyperparameters[name] for trial in _measured(tuning) if name in trial.hyperparameters]
    axis: dict[str, Any]
    if _listed(values):
        axis = {"type": "category", "categoryarray": [as_text(value) for value in _in_order(values)]}
        traces = _points(tuning, lambda trial: as_text(trial.hyperparameters[name]), name + " %{x}", jitter=True)
    else:
        axis = {"type": _scale(values), "nticks": 6, "exponentformat": "e"}
        traces = _points(tuning, lambda trial: trial.hyperparameters[name], name + " %{x}")
    return _figure(traces, tuning, name, axis, height=260)


def parallel_chart(tuning: Tuning) -> Figure:
    """Draw a line for each trial, from hyperparameter to hyperparameter and to the objective at the bottom.

    The axes are horizontal: their names then fit on a phone.
    """
    trials = _measured(tuning)
    names = list(dict.fromkeys(name for trial in trials for name in trial.hyperparameters))
    metric = tuning.objective.metric
    columns: dict[str, list[Value]] = {name: [trial.hyperparameters[name] for trial in trials] for name in names}
    columns[metric] = [_value(trial) for trial in trials]
    placed = {name: _placed(values) for name, values in columns.items()}
    ranked = [trial.name for trial in tuning.ranked]
    best = set(ranked[: max(1, len(trials) // 4)])
    traces = []
    for number, trial in sorted(enumerate(trials), key=lambda pair: pair[1].name in best):
        hover = "<br>".join(f"{name} {show_value(columns[name][number])}" for name in columns)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": trial.name,
                "meta": BEST_QUARTER if trial.name in best else OTHERS,
                "opacity": 0.95 if trial.name in best else 0.45,
                "line": {"width": 2.5 if trial.name in best else 1.5},
                "marker": {"size": 6},
                "x": [placed[name][number] for name in columns],
                "y": list(columns),
                "hovertemplate": f"{trial.name}<br>{hover}",
            }
        )
    return figure(
        traces,
        "",
        "",
        height=_ROW_PX * len(columns),
        xaxis={"visible": False, "range": [-0.06, 1.06]},
        yaxis={"type": "category", "categoryarray": list(columns), "autorange": "reversed"},
        annotations=[mark for name, values in columns.items() for mark in _marks(name, values)],
        hovermode="closest",
    )


def _points(tuning: Tuning, x: Callable[[Trial], Value], hover: str, *, jitter: bool = False) -> list[dict[str, Any]]:
    traces = []
    for number, (title, completed) in enumerate((("completed", True), ("stopped early or running", False))):
        chosen = [trial for trial in _measured(tuning) if (trial.status == "completed") is completed]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": title,
                "meta": number,
                "marker": {"size": 9, "symbol": "circle" if completed else "x", "opacity": 0.7 if jitter else 0.85},
                "x": [x(trial) for trial in chosen],
                "y": [_value(trial) for trial in chosen],
                "text": [trial.name for trial in chosen],
                "hovertemplate": "%{text}<br>" + hover + "<br>" + tuning.objective.metric + " %{y:.4f}",
            }
        )
    return traces


def _figure(traces: list[dict[str, Any]], tuning: Tuning, x: str, axis: Mapping[str, Any], height: int = 320) -> Figure:
    values = [_value(trial) for trial in _measured(tuning)]
    scale = _scale(values) if max(values, default=0) > _WIDE * min(values, default=0) else "linear"
    return figure(
        traces,
        x,
        tuning.objective.metric,
        height=height,
        hovermode="closest",
        xaxis=axis,
        yaxis={"type": scale, "nticks": 6, "rangemode": "normal"},
    )


def _measured(tuning: Tuning) -> list[Trial]:
    return [trial for trial in tuning.trials if trial.objective is not None]


def _value(trial: Trial) -> float:
    assert trial.objective is not None
    return trial.objective


def _listed(values: Sequence[Value]) -> bool:
    """Tell whether an axis has one place for each value."""
    return any(isinstance(value, str | bool) for value in values) or (
        len(set(values)) <= 4 and all(isinstance(value, int) for value in values)
    )


def _in_order(values: Sequence[Value]) -> list[Value]:
    numbers = all(isinstance(value, int | float) for value in values)
    return sorted(set(values), key=(lambda value: float(value)) if numbers else str)


def _scale(values: Sequence[Value]) -> str:
    numbers = [float(value) for value in values]
    return "log" if numbers and min(numbers) > 0 and max(numbers) > 8 * min(numbers) else "linear"


def _placed(values: Sequence[Value]) -> list[float]:
    """Compute the position of each value on its axis, from 0 to 1."""
    if _listed(values):
        order = _in_order(values)
        return [order.index(value) / max(1, len(order) - 1) for value in values]
    numbers = [float(value) for value in values]
    if _scale(values) == "log":
        numbers = [math.log(number) for number in numbers]
    low, width = min(numbers), max(numbers) - min(numbers)
    return [(number - low) / width if width else 0.5 for number in numbers]


def _marks(name: str, values: Sequence[Value]) -> list[dict[str, Any]]:
    """Label an axis with all of a few values, or with its two ends."""
    order = _in_order(values)
    shown = order if _listed(values) and len(order) <= 5 else [order[0], order[-1]]
    places = dict(zip(values, _placed(values), strict=True))
    return [
        {
            "x": places[value],
            "y": name,
            "text": show_value(value),
            "showarrow": False,
            "yshift": 14,
            "xanchor": {0.0: "left", 1.0: "right"}.get(places[value], "center"),
        }
        for value in dict.fromkeys(shown)
    ]
