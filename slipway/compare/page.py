"""The page of a comparison: its sections and charts in the shared frame."""

from collections.abc import Callable, Sequence
from datetime import datetime
from html import escape

from container.page import Figure, render_frame
from container.page.markup import chart, details, legend, path, section, table
from slipway.compare.charts import accuracy_curves, bars, loss_curves
from slipway.compare.comparison import Comparison
from slipway.compare.result import Result
from slipway.compare.table import duration, rows

_NAVIGATION = {
    "figures": "Figures",
    "accuracy": "Accuracy",
    "loss": "Loss",
    "time": "Time and throughput",
    "size": "Size",
    "settings": "Settings",
}

# Figures are not broken into lines; where there are too many jobs for the window, the table scrolls.
_STYLES = "#figures :is(th, td) { white-space: nowrap; overflow-wrap: normal; }"


def render_page(comparison: Comparison) -> str:
    """The whole page, of at least one result."""
    results = comparison.results
    figures: dict[str, Figure] = {
        "accuracy-chart": bars(
            results, lambda result: result.test_accuracy, lambda value: f"{value:.2f} %", "test accuracy, %", most=100
        ),
        "accuracy-curves": accuracy_curves(results),
        "loss-curves": loss_curves(results),
        "time-chart": bars(results, lambda result: result.training_s, duration, "training steps, s"),
        "throughput-chart": bars(
            results, lambda result: result.pictures_per_s, lambda value: f"{value:,.1f}", "training, pictures/s"
        ),
        "size-chart": bars(
            results, lambda result: result.tensors.file_bytes / 1e6, lambda value: f"{value:,.1f} MB", "model file, MB"
        ),
    }
    sections = (_figures, _accuracy, _loss, _time, _size, _settings)
    return render_frame(
        title=f"Comparison of {', '.join(result.name for result in results)}",
        heading=_heading(comparison),
        lead=f"{len(results)} training jobs under equal settings but for {_words(comparison.varied)}, "
        f"put together {datetime.now():%Y-%m-%d %H:%M}",
        navigation=_NAVIGATION,
        body=_remarks(comparison) + "".join(make(comparison) for make in sections),
        figures=figures,
        made_by="slipway compare",
        styles=_STYLES,
    )


def _heading(comparison: Comparison) -> str:
    best = comparison.best
    if best is None:
        return "No job of the comparison has been tested yet"
    return f"{best.name} is the most accurate: {best.test_accuracy:.2f} % of the test pictures"


def _remarks(comparison: Comparison) -> str:
    failures = [("problem", "Failed", f"{name}: {reason}") for name, reason in comparison.failures.items()]
    warnings = [("notice", "Notice", f"{text}.") for text in comparison.warnings]
    equal = [("good", "Good", "Data, versions and all other settings are equal.")]
    items = "".join(
        f'<li class="{level}"><b>{word}</b><span>{escape(text)}</span></li>'
        for level, word, text in failures + (warnings or equal)
    )
    return f'<ul class="remarks" aria-label="Findings">{items}</ul>'


def _figures(comparison: Comparison) -> str:
    head, body = rows(comparison.results)
    # A column for each job: figures below one another can be compared on a phone too.
    (_, *names), *figures = zip(head, *body, strict=True)
    cells = [[escape(cell) for cell in row] for row in figures]
    note = (
        "Evaluation is that of the best epoch, the one with the lowest evaluation loss. Training time and pictures a "
        "second are of the training steps alone: the start, the evaluations and the test come on top. How long a "
        "prediction takes is not measured here."
    )
    return section(
        "figures",
        "Figures",
        table(["", *names], cells, numbers=range(1, len(names) + 1), name="Figures"),
        f'<p class="quiet">{note}</p>',
    )


def _accuracy(comparison: Comparison) -> str:
    return section(
        "accuracy",
        "Accuracy",
        chart("accuracy-chart", "Bars: accuracy on the test pictures. The table above holds the same numbers."),
        _caption(
            comparison,
            lambda result: result.best.eval_accuracy,
            lambda result: (
                f"{result.name} reaches the highest evaluation accuracy of a best epoch, "
                f"{result.best.eval_accuracy:.2f} % after epoch {result.best_epoch}."
            ),
        ),
        legend(_names(comparison)),
        chart("accuracy-curves", "Lines: evaluation accuracy after each epoch."),
    )


def _loss(comparison: Comparison) -> str:
    return section(
        "loss",
        "Loss",
        _caption(
            comparison,
            lambda result: -result.best.eval_loss,
            lambda result: (
                f"{result.name} reaches the lowest evaluation loss, {result.best.eval_loss:.4f} after epoch "
                f"{result.best_epoch}. Solid: evaluation; dotted: training."
            ),
        ),
        legend(_names(comparison)),
        chart("loss-curves", "Lines: loss after each epoch, solid in evaluation, dotted in training."),
    )


def _time(comparison: Comparison) -> str:
    return section(
        "time",
        "Time and throughput",
        _caption(
            comparison,
            lambda result: result.pictures_per_s,
            lambda result: f"{result.name} trains on the most pictures a second, {result.pictures_per_s:,.1f}.",
        ),
        chart("time-chart", "Bars: seconds of training steps. The table above holds the same numbers."),
        chart("throughput-chart", "Bars: pictures a second in training. The table above holds the same numbers."),
    )


def _size(comparison: Comparison) -> str:
    return section(
        "size",
        "Size",
        _caption(
            comparison,
            lambda result: -result.tensors.file_bytes,
            lambda result: f"{result.name} is the smallest, with {result.tensors.parameters:,} parameters.",
        ),
        chart("size-chart", "Bars: size of the model file. The table above holds the same numbers."),
    )


def _settings(comparison: Comparison) -> str:
    shared = [[escape(name), escape(value)] for name, value in sorted(comparison.shared.items())]
    jobs = [[escape(result.name), path(result.job), escape(result.place)] for result in comparison.results]
    first = comparison.results[0]
    counts = ", ".join(f"{count:,} {split}" for split, count in first.pictures.items())
    return section(
        "settings",
        "Settings",
        f"<p>{len(first.classes):,} classes; pictures: {escape(counts)}.</p>",
        table(["model", "job", "ran on"], jobs, name="Jobs", stacks=True),
        details("Equal in all jobs", table(["hyperparameter", "value"], shared, name="Settings")),
    )


def _caption(comparison: Comparison, value: Callable[[Result], float], sentence: Callable[[Result], str]) -> str:
    return f"<p>{escape(sentence(max(comparison.results, key=value)))}</p>"


def _names(comparison: Comparison) -> Sequence[str]:
    return [result.name for result in comparison.results]


def _words(names: Sequence[str]) -> str:
    return " and ".join(escape(name) for name in names)
