"""The ranked table of trials, as texts for the terminal and the page."""

from container.contract.hyperparameters import Value
from slipway.tuning.trial import Trial, Tuning


def table(tuning: Tuning) -> tuple[list[str], list[list[str]]]:
    """Build the column titles, and a row for each trial, best first."""
    names = tuned_names(tuning)
    titles = ["", "trial", tuning.objective.metric, *names, "epochs run", "time", "status"]
    rows = []
    for place, trial in enumerate(tuning.ranked, start=1):
        values = (show_value(trial.hyperparameters[name]) if name in trial.hyperparameters else "" for name in names)
        epochs = str(len(trial.curve)) if trial.curve else ""
        rows.append(
            [str(place), trial.name, show_objective(trial), *values, epochs, show_time(trial.duration_s), trial.status]
        )
    # A column without values is omitted, such as the epochs of trials on SageMaker.
    kept = [column for column in range(len(titles)) if column == 0 or any(row[column] for row in rows)]
    return [titles[column] for column in kept], [[row[column] for column in kept] for row in rows]


def tuned_names(tuning: Tuning) -> list[str]:
    """List the tuned hyperparameters."""
    return list(dict.fromkeys(name for trial in tuning.trials for name in trial.hyperparameters))


def show_value(value: Value) -> str:
    """Format a hyperparameter's value in few characters."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def show_objective(trial: Trial) -> str:
    """Format a trial's objective; empty if it has none."""
    return "" if trial.objective is None else f"{trial.objective:.4f}"


def show_time(seconds: float | None) -> str:
    """Format a duration, such as 1 h 04 min."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
