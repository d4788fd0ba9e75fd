"""The page of a tuning's trials, for a tuning job on SageMaker and a study on this machine alike."""

from datetime import datetime
from html import escape
from importlib.resources import files

from container.page import Figure, render_frame
from container.page.markup import chart, legend, path, section, table, tiles
from slipway.tuning.charts import history_chart, importance_chart, parallel_chart, slice_chart
from slipway.tuning.importance import LEAST_TRIALS, importances
from slipway.tuning.table import show_objective, show_time, show_value, tuned_names
from slipway.tuning.trial import Trial, Tuning

_NAVIGATION = {
    "history": "Objective",
    "parallel": "Parallel coordinates",
    "importance": "Importance",
    "slices": "Slices",
    "trials": "Trials",
}
_SERIES = ("completed", "stopped early or running", "best so far")
_NOTHING = "<p>No trial has an objective yet.</p>"


def render_page(tuning: Tuning) -> str:
    """The whole page."""
    names = tuned_names(tuning)
    measured = any(trial.objective is not None for trial in tuning.trials)
    shares = importances(tuning)
    figures: dict[str, Figure] = {}
    if measured:
        figures = {"history-chart": history_chart(tuning), "parallel-chart": parallel_chart(tuning)}
        figures |= {f"slice-{number}": slice_chart(tuning, name) for number, name in enumerate(names)}
    if shares:
        figures["importance-chart"] = importance_chart(shares)
    body = "".join(
        [
            _overview(tuning),
            _history(measured=measured),
            _parallel(measured=measured),
            _importance(tuning, has_shares=bool(shares)),
            _slices(names, measured=measured),
            _trials(tuning, names),
        ]
    )
    return render_frame(
        title=f"{tuning.name}: trials",
        heading="What the trials found",
        lead=f"{path(tuning.name)}, {escape(tuning.strategy)} search, read {datetime.now():%Y-%m-%d %H:%M}",
        navigation=_NAVIGATION,
        body=body,
        figures=figures,
        made_by="slipway tune",
        styles=(files("slipway.tuning") / "slices.css").read_text(encoding="utf-8"),
    )


def _overview(tuning: Tuning) -> str:
    def count(*states: str) -> str:
        return str(sum(trial.status in states for trial in tuning.trials))

    best = tuning.best
    figures = tiles(
        [
            (f"best {tuning.objective.metric}", show_objective(best) if best else "none yet"),
            ("completed", count("completed")),
            ("stopped early", count("stopped early", "stopped")),
            ("failed", count("failed")),
        ]
    )
    if best is None:
        return figures
    values = ", ".join(
        f"{escape(name)} <b>{escape(show_value(value))}</b>" for name, value in best.hyperparameters.items()
    )
    return f"{figures}<p>The best is {_link(best)}: {values}.</p>"


def _history(*, measured: bool) -> str:
    if not measured:
        return section("history", "Objective", _NOTHING)
    text = "Points: the objective of each trial; line: the best so far. The table below holds the same numbers."
    return section("history", "Objective", legend(_SERIES), chart("history-chart", text))


def _parallel(*, measured: bool) -> str:
    if not measured:
        return section("parallel", "Parallel coordinates", _NOTHING)
    # The colours are those of BEST_QUARTER and OTHERS in the charts.
    key = '<ul class="legend"><li class="series-1">best quarter</li><li class="series-4">other trials</li></ul>'
    text = "Lines: one for each trial, through its hyperparameters to the objective at the bottom."
    return section("parallel", "Parallel coordinates", key, chart("parallel-chart", text))


def _importance(tuning: Tuning, *, has_shares: bool) -> str:
    if not has_shares:
        return section(
            "importance",
            "Importance",
            f"<p>It takes {LEAST_TRIALS} completed trials to say anything; there are {len(tuning.completed)}.</p>",
        )
    method = (
        f"Of {len(tuning.completed)} completed trials: the share of the variance of the objective's rank that goes "
        "with the hyperparameter's rank (Spearman's correlation, squared), or with which of the listed values it is; "
        "less what chance alone would explain. Each hyperparameter is looked at alone, so neither interactions nor a "
        "best value in the middle of a range are seen; the slices show those."
    )
    text = "Bars: the share of each hyperparameter."
    return section("importance", "Importance", chart("importance-chart", text), f'<p class="quiet">{method}</p>')


def _slices(names: list[str], *, measured: bool) -> str:
    if not measured:
        return section("slices", "Slices", _NOTHING)
    charts = "".join(
        chart(f"slice-{number}", f"Points: the objective of each trial against its {name}.")
        for number, name in enumerate(names)
    )
    return section("slices", "Slices", legend(_SERIES[:2]), f'<div class="slices">{charts}</div>')


def _trials(tuning: Tuning, names: list[str]) -> str:
    # Of jobs on SageMaker, the metrics of each epoch are in CloudWatch alone.
    has_curves = any(trial.curve for trial in tuning.trials)
    rows = [
        [
            str(place),
            _link(trial),
            show_objective(trial),
            *(show_value(trial.hyperparameters[name]) if name in trial.hyperparameters else "" for name in names),
            *([str(len(trial.curve) or "")] if has_curves else []),
            show_time(trial.duration_s),
            escape(trial.status) + (f": {escape(trial.reason)}" if trial.reason else ""),
        ]
        for place, trial in enumerate(tuning.ranked, start=1)
    ]
    head = ["", "trial", tuning.objective.metric, *names, *(["epochs run"] if has_curves else []), "time", "status"]
    numbers = range(2, len(head) - 1)
    return section("trials", "Trials", table(head, rows, numbers=numbers, name="Trials, the best first"))


def _link(trial: Trial) -> str:
    name = escape(trial.name)
    return f'<a href="{escape(trial.address)}">{name}</a>' if trial.address else name
