"""The page of a comparison.

compare.html in `container.page` is its template; this module computes what the template shows.
"""

from datetime import datetime

from container.page import Figure, render
from slipway.compare.charts import accuracy_curves, bars, loss_curves
from slipway.compare.comparison import Comparison
from slipway.compare.table import rows
from slipway.terminal.durations import duration


def render_page(comparison: Comparison) -> str:
    """Render the page of a comparison with at least one result."""
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
    head, body = rows(results)
    failures = [("problem", "Failed", f"{name}: {reason}") for name, reason in comparison.failures.items()]
    warnings = [("notice", "Notice", f"{text}.") for text in comparison.warnings]
    equal = [("good", "Good", "Data, versions and all other settings are equal.")]
    return render(
        "compare.html",
        figures,
        comparison=comparison,
        verdict=comparison.verdict,
        made=f"{datetime.now():%Y-%m-%d %H:%M}",
        notes=failures + (warnings or equal),
        # A column for each job: figures stay comparable on a phone.
        rows=list(zip(head, *body, strict=True))[1:],
        jobs=[(result.name, result.job, result.place) for result in results],
    )
