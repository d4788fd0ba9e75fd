"""The charts of the training report."""

import math
from collections.abc import Sequence
from typing import Any

from container.page import Figure
from container.page.charts import figure, label
from container.report.training_record import TrainingRecord

MANY_CLASSES = 40
"""Number of classes above which a matrix with all names would not fit a screen."""

MOST_NAMED = 25
"""Classes in the second, labelled matrix, where there are many."""

_WIDE = 20
"""Ratio of the largest loss to the smallest above which the axis is logarithmic."""

_COUNTS = 15
"""Most classes for which the cells have room for their counts."""

_LABEL_CHARACTERS = 22


def curves(record: TrainingRecord, series: dict[str, str], unit: str, **yaxis: Any) -> Figure:
    """Draw a line over the epochs for each series, with a larger mark at the best epoch.

    Args:
        record: With at least one epoch.
        series: Keys of the epochs' records, by the name to show.
        unit: Title of the axis.
        yaxis: Further settings of the axis.
    """
    epochs = [int(each["epoch"]) for each in record.history]
    best = record.best_epoch
    traces = []
    for number, (name, key) in enumerate(series.items()):
        values = [float(each[key]) for each in record.history]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": name,
                "meta": number,
                "x": epochs,
                "y": values,
                "line": {"width": 2},
                "marker": {"size": [12 if epoch == best else 6 for epoch in epochs]},
                "hovertemplate": f"{name}, epoch %{{x}}: %{{y:.4g}}",
            }
        )
    step = max(1, round(max(epochs) / 10))
    return figure(traces, "epoch", unit, height=320, xaxis={"tick0": 1, "dtick": step}, yaxis=yaxis)


def loss_curves(record: TrainingRecord) -> Figure:
    """Draw training and evaluation loss."""
    drawn = curves(record, {"training": "train_loss", "evaluation": "eval_loss"}, "mean loss")
    losses = [loss for trace in drawn["data"] for loss in trace["y"] if loss > 0 and math.isfinite(loss)]
    if losses and max(losses) > _WIDE * min(losses):
        drawn["layout"]["yaxis"] |= {
            "type": "log",
            "title": {"text": "mean loss, logarithmic"},
            "rangemode": "normal",
        }
    return drawn


def confusion_chart(classes: Sequence[str], confusion: Sequence[Sequence[int]], *, named: bool) -> Figure:
    """Draw the matrix as shares of each true class; the diagonal holds the correct predictions.

    Args:
        classes: Names, in the order of the matrix.
        confusion: Counts.
        named: Label the axes with the names; otherwise only hovering shows them.
    """
    labels = [label(name, _LABEL_CHARACTERS) for name in classes]
    cell_px = 56 if len(classes) <= 6 else 32 if len(classes) <= _COUNTS else 22
    trace: dict[str, Any] = {
        "type": "heatmap",
        "meta": 0,
        "x": list(classes),
        "y": list(classes),
        "cells": [
            [true, predicted, count, round(100 * count / sum(row), 2)]
            for true, row in enumerate(confusion)
            for predicted, count in enumerate(row)
            if count
        ],
        "hovertemplate": "true %{y}<br>predicted %{x}<br>%{text:,} pictures, %{z:.1f} % of the class",
        "key": True,
        "counts": named and len(classes) <= _COUNTS,
    }
    axis: dict[str, Any] = {"showgrid": False, "rangemode": "normal"}
    if named:
        axis |= {"tickvals": list(classes), "ticktext": labels}
    else:
        axis |= {"showticklabels": False}
    layout: dict[str, Any] = {"height": 150 + cell_px * len(classes) if named else 640}
    if named:
        # What does not fit a phone scrolls in its box.
        layout |= {"least": 200 + 15 * len(classes), "most": 300 + cell_px * len(classes)}
    return figure(
        [trace],
        "predicted",
        "true",
        xaxis=axis | {"tickangle": -60},
        yaxis=axis | {"autorange": "reversed"},
        **layout,
    )


def most_mistaken(confusion: Sequence[Sequence[int]]) -> list[int]:
    """Find the classes with the most mistakes, as true or as predicted class; returns indices in ascending order."""

    def mistakes(index: int) -> int:
        of_row = sum(confusion[index]) - confusion[index][index]
        return of_row + sum(row[index] for row in confusion) - confusion[index][index]

    worst = sorted(range(len(confusion)), key=lambda index: (-mistakes(index), index))[:MOST_NAMED]
    return sorted(index for index in worst if mistakes(index))


def confused_pairs(record: TrainingRecord) -> list[tuple[str, str, int, int]]:
    """List true class, predicted class, count, and test pictures of the true class; the most frequent first."""
    pairs = [
        (true, predicted, count, sum(row))
        for true, row in zip(record.classes, record.confusion, strict=True)
        for predicted, count in zip(record.classes, row, strict=True)
        if true != predicted and count
    ]
    return sorted(pairs, key=lambda pair: (-pair[2], -pair[2] / pair[3], pair[0]))


def class_chart(record: TrainingRecord) -> Figure:
    """Plot the accuracy of each class against its number of training pictures."""
    tested = [index for index, row in enumerate(record.confusion) if sum(row)]
    rows = [record.confusion[index] for index in tested]
    trace = {
        "type": "scatter",
        "mode": "markers+text" if len(tested) <= 12 else "markers",
        "meta": 0,
        "x": [record.train_counts[index] for index in tested],
        "y": [round(100 * row[index] / sum(row), 2) for index, row in zip(tested, rows, strict=True)],
        "text": [label(record.classes[index], _LABEL_CHARACTERS) for index in tested],
        "customdata": [sum(row) for row in rows],
        "textposition": "top center",
        "cliponaxis": False,
        "marker": {"size": 9, "opacity": 0.75},
        "hovertemplate": "%{text}<br>%{x:,} pictures in train<br>%{y:.1f} % of %{customdata:,} correct",
    }
    return figure([trace], "pictures in train", "test accuracy, %", height=380, yaxis={"range": [-4, 110]})
