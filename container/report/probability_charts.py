"""The charts of the tested model's probabilities."""

from collections.abc import Mapping, Sequence
from typing import Any

from container.page import Figure
from container.page.charts import figure, label, limit

_LABEL_CHARACTERS = 22


def reliability_chart(reliability: Mapping[str, Sequence[Mapping[str, float]]], *, calibrated: bool) -> Figure:
    """Plot how often predictions were right against how sure the network was.

    Args:
        reliability: Bins of equal width by `before` and `after` calibration: mean confidence, accuracy, pictures.
        calibrated: Show both.
    """
    traces = [limit("as high as right", 1.0, 0, 100) | {"y": [0, 100]}]
    for number, name in enumerate(("after", "before") if calibrated else ("after",)):
        bins = reliability[name]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": f"{name} calibration" if calibrated else "predictions",
                "meta": number,
                "x": [round(100 * each["confidence"], 2) for each in bins],
                "y": [round(100 * each["accuracy"], 2) for each in bins],
                "customdata": [each["pictures"] for each in bins],
                "marker": {"size": [6 + min(14, each["pictures"] ** 0.5) for each in bins]},
                "hovertemplate": "said %{x:.1f} %, right %{y:.1f} % of %{customdata:,} pictures",
            }
        )
    percent = {"range": [0, 104]}
    return figure(traces, "probability of the prediction, %", "right, %", height=360, xaxis=percent, yaxis=percent)


def coverage_chart(coverage: Sequence[Sequence[float]], rejected: Mapping[str, float] | None) -> Figure:
    """Plot the accuracy of the answers against the share of pictures that get one, the surest first.

    Args:
        coverage: Share answered, accuracy, and lowest probability answered, for each point.
        rejected: `coverage` and `accuracy` with the chosen threshold.
    """
    trace = {
        "type": "scatter",
        "mode": "lines",
        "name": "accuracy",
        "meta": 0,
        "x": [round(100 * each[0], 2) for each in coverage],
        "y": [round(100 * each[1], 2) for each in coverage],
        "customdata": [round(each[2], 4) for each in coverage],
        "line": {"width": 2},
        "hovertemplate": "%{x:.1f} % answered, from probability %{customdata:.3f} on: %{y:.2f} % right",
    }
    traces = [trace]
    if rejected:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "reject-below",
                "meta": 1,
                "x": [round(100 * rejected["coverage"], 2)],
                "y": [round(100 * rejected["accuracy"], 2)],
                "marker": {"size": 12},
                "hovertemplate": f"rejected below {rejected['below']:.3f}: %{{x:.1f}} % answered, %{{y:.2f}} % right",
            }
        )
    return figure(traces, "pictures answered, %", "right among them, %", height=320, yaxis={"rangemode": "normal"})


def precision_recall_chart(curves: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw precision over recall of the classes that the network tells apart worst, one line each."""
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": label(str(curve["class"]), _LABEL_CHARACTERS),
            "meta": number,
            "x": [round(100 * value, 2) for value in curve["recall"]],
            "y": [round(100 * value, 2) for value in curve["precision"]],
            "line": {"width": 1.5, "shape": "hv"},
            "hovertemplate": f"{label(str(curve['class']))}<br>recall %{{x:.1f}} %, precision %{{y:.1f}} %",
        }
        for number, curve in enumerate(curves)
    ]
    return figure(traces, "recall, %", "precision, %", height=360, xaxis={"range": [0, 102]}, yaxis={"range": [0, 104]})
