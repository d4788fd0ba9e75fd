"""The page of a tuning job's trials, on SageMaker or on this machine.

tuning.html in `container.page` is its template; this module computes what the template shows.
"""

from datetime import datetime

from container.page import Figure, render
from slipway.tuning.charts import BEST_QUARTER, OTHERS, history_chart, importance_chart, parallel_chart, slice_chart
from slipway.tuning.importance import LEAST_TRIALS, importances
from slipway.tuning.table import show_objective, show_time, show_value, tuned_names
from slipway.tuning.trial import Trial, Tuning


def render_page(tuning: Tuning) -> str:
    """Render the page of a tuning job or study."""
    names = tuned_names(tuning)
    figures: dict[str, Figure] = {}
    if any(trial.objective is not None for trial in tuning.trials):
        figures = {"history-chart": history_chart(tuning), "parallel-chart": parallel_chart(tuning)}
        figures |= {f"slice-{number}": slice_chart(tuning, name) for number, name in enumerate(names)}
    if shares := importances(tuning):
        figures["importance-chart"] = importance_chart(shares)
    best = tuning.best
    head, rows = _trials(tuning, names)
    return render(
        "tuning.html",
        figures,
        tuning=tuning,
        names=names,
        read=f"{datetime.now():%Y-%m-%d %H:%M}",
        counts=_counts(tuning),
        best_values={name: show_value(value) for name, value in best.hyperparameters.items()} if best else {},
        best_quarter=BEST_QUARTER,
        others=OTHERS,
        least_trials=LEAST_TRIALS,
        head=head,
        rows=rows,
    )


def _counts(tuning: Tuning) -> list[tuple[str, str]]:
    """Give the best objective, and the number of trials of each status."""

    def count(*statuses: str) -> str:
        return str(sum(trial.status in statuses for trial in tuning.trials))

    return [
        (f"best {tuning.objective.metric}", show_objective(tuning.best) if tuning.best else "none yet"),
        ("completed", count("completed")),
        ("stopped early", count("stopped early", "stopped")),
        ("failed", count("failed")),
    ]


def _trials(tuning: Tuning, names: list[str]) -> tuple[list[str], list[list[str | Trial]]]:
    """Tabulate the trials, the best first; returns titles and rows, whose second cell is the trial itself."""
    # For jobs on SageMaker, the metrics of each epoch are only in CloudWatch.
    has_curves = any(trial.curve for trial in tuning.trials)
    rows: list[list[str | Trial]] = [
        [
            str(place),
            trial,
            show_objective(trial),
            *(show_value(trial.hyperparameters[name]) if name in trial.hyperparameters else "" for name in names),
            *([str(len(trial.curve) or "")] if has_curves else []),
            show_time(trial.duration_s),
            trial.status + (f": {trial.reason}" if trial.reason else ""),
        ]
        for place, trial in enumerate(tuning.ranked, start=1)
    ]
    head = ["", "trial", tuning.objective.metric, *names, *(["epochs run"] if has_curves else []), "time", "status"]
    return head, rows
