"""The ranked table of trials on the terminal."""

from collections.abc import Iterator

from container.train.hyperparameters import Value
from slipway.tuning.trial import Trial, Tuning


def table_lines(tuning: Tuning) -> Iterator[str]:
    """One line for each trial, the best first, below a line of titles."""
    names = tuned_names(tuning)
    rows = [["", "trial", tuning.objective.metric, *names, "epochs run", "time", "status"]]
    for place, trial in enumerate(tuning.ranked, start=1):
        values = (show_value(trial.hyperparameters[name]) if name in trial.hyperparameters else "" for name in names)
        epochs = str(len(trial.curve)) if trial.curve else ""
        rows.append(
            [str(place), trial.name, show_objective(trial), *values, epochs, show_time(trial.duration_s), trial.status]
        )
    # Where nothing is known of the epochs, as on SageMaker, there is no column for them.
    kept = [column for column in range(len(rows[0])) if column == 0 or any(row[column] for row in rows[1:])]
    widths = [max(len(row[column]) for row in rows) for column in kept]
    for row in rows:
        cells = (row[column].ljust(width) for column, width in zip(kept, widths, strict=True))
        yield "  ".join(cells).rstrip()


def tuned_names(tuning: Tuning) -> list[str]:
    """The hyperparameters that are tuned."""
    return list(dict.fromkeys(name for trial in tuning.trials for name in trial.hyperparameters))


def show_value(value: Value) -> str:
    """A hyperparameter's value in few characters."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def show_objective(trial: Trial) -> str:
    """The objective, or nothing."""
    return "" if trial.objective is None else f"{trial.objective:.4f}"


def show_time(seconds: float | None) -> str:
    """A duration, such as 1 h 04 min."""
    if seconds is None:
        return ""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
