"""The training report: one HTML page that opens offline."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import plotly.io

from container.artifact import write_atomically

REPORT = "training-report.html"

_MARGIN = {"t": 30, "r": 10, "b": 50, "l": 50}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Training report</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; color: #1a1a1a;
    background: #fff }}
  dl {{ display: flex; flex-wrap: wrap; gap: .5rem 2.5rem; margin: 1rem 0 }}
  dt {{ color: #555; font-size: .85rem }} dd {{ margin: 0; font-size: 1.5rem }}
  table {{ border-collapse: collapse }} td, th {{ text-align: left; padding: .15rem 1.5rem .15rem 0 }}
</style>
<h1>Training report</h1>
<dl>{facts}</dl>
{sections}
<h2>Hyperparameters</h2>
<table><tr><th scope="col">name</th><th scope="col">value</th></tr>{settings}</table>
</html>
"""


def write_report(
    directory: Path,
    *,
    history: Sequence[Mapping[str, Any]],
    test: Mapping[str, Any],
    classes: Sequence[str],
    train_counts: Sequence[int],
    confusion: Sequence[Sequence[int]],
    settings: Mapping[str, str],
) -> None:
    """Write training-report.html: curves, confusion matrix, accuracy of each class against its size.

    Args:
        directory: Where to.
        history: A record for each epoch, as in metrics.jsonl.
        test: The test's record.
        classes: Class names, in index order.
        train_counts: Training pictures of each class.
        confusion: Test pictures by true (row) and predicted (column) class.
        settings: Hyperparameters.
    """
    facts = {
        "test accuracy": f"{test['test_accuracy']:.2f} %",
        "test loss": f"{test['test_loss']:.4f}",
        "best epoch": f"{test['best_epoch']} of {len(history)}",
        "classes": str(len(classes)),
    }
    figures = {
        "Loss": _curves(history, {"training": "train_loss", "evaluation": "eval_loss"}, "mean loss", test),
        "Evaluation accuracy": _curves(history, {"evaluation": "eval_accuracy"}, "accuracy, %", test),
        "Learning rate": _curves(history, {"learning rate": "learning_rate"}, "learning rate", None),
        "Confusion matrix (test)": _confusion(classes, confusion),
        "Accuracy of each class against its size in train": _per_class(classes, train_counts, confusion),
    }
    sections = []
    for number, (title, figure) in enumerate(figures.items()):
        chart = plotly.io.to_html(
            figure, full_html=False, include_plotlyjs=number == 0, config={"displaylogo": False, "responsive": True}
        )
        sections.append(f"<h2>{title}</h2>{chart}")
    page = _PAGE.format(
        facts="".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items()),
        sections="\n".join(sections),
        settings="".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>" for name, value in settings.items()
        ),
    )
    write_atomically(directory / REPORT, lambda path: path.write_text(page, encoding="utf-8"))


def _curves(
    history: Sequence[Mapping[str, Any]], series: Mapping[str, str], unit: str, test: Mapping[str, Any] | None
) -> go.Figure:
    epochs = [record["epoch"] for record in history]
    figure = go.Figure()
    for name, key in series.items():
        figure.add_scatter(x=epochs, y=[record[key] for record in history], name=name, mode="lines+markers")
    if test:
        figure.add_vline(x=test["best_epoch"], line_dash="dot", annotation_text="best")
    return figure.update_layout(
        template="plotly_white",
        height=340,
        margin=_MARGIN,
        legend={"orientation": "h", "y": 1.12},
        xaxis_title="epoch",
        yaxis={"title": unit, "automargin": True},
    )


def _confusion(classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> go.Figure:
    shares = [[100 * count / max(1, sum(row)) for count in row] for row in confusion]
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=list(classes),
            y=list(classes),
            customdata=confusion,
            colorscale="Blues",
            zmin=0,
            zmax=100,
            colorbar_title="% of row",
            hovertemplate="true %{y}<br>predicted %{x}<br>%{customdata} pictures, %{z:.1f} %<extra></extra>",
        )
    )
    side = min(1000, 260 + 18 * len(classes))
    return figure.update_layout(
        template="plotly_white",
        height=side,
        margin=_MARGIN,
        xaxis={"title": "predicted", "type": "category"},
        yaxis={"title": "true", "type": "category", "autorange": "reversed"},
    )


def _per_class(classes: Sequence[str], train_counts: Sequence[int], confusion: Sequence[Sequence[int]]) -> go.Figure:
    tested = [(index, sum(row)) for index, row in enumerate(confusion) if sum(row)]
    figure = go.Figure(
        go.Scatter(
            x=[train_counts[index] for index, _ in tested],
            y=[100 * confusion[index][index] / total for index, total in tested],
            text=[classes[index] for index, _ in tested],
            mode="markers+text" if len(classes) <= 30 else "markers",
            textposition="top center",
            marker_size=9,
            hovertemplate="%{text}<br>%{x} pictures in train<br>%{y:.1f} % right<extra></extra>",
        )
    )
    return figure.update_layout(
        template="plotly_white",
        height=420,
        margin=_MARGIN,
        xaxis_title="pictures in train",
        yaxis={"title": "test accuracy, %", "range": [-5, 110]},
    )
