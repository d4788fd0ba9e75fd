"""Optuna's journal of a study's trials: opens, locks and reads it."""

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from container.contract.hyperparameters import TrainConfig
from slipway.chance import PREDICTIONS, read_predictions
from slipway.errors import TuningError
from slipway.processes.job import JobDirectory, require_installed
from slipway.tuning.plan import FILE, Plan, read_plan
from slipway.tuning.strategy import hyperband_epochs, most_epochs, optuna_pruner, optuna_sampler
from slipway.tuning.trial import Status, Trial, Tuning

if TYPE_CHECKING:
    import optuna

JOURNAL = "trials.journal"

CURVE, REASON, SECONDS = "curve", "reason", "seconds"
"""A trial's attributes beside Optuna's own: the objective of each epoch, the reason of a failure, the duration."""

LOSS, ACCURACY = "eval_loss_epoch", "eval_accuracy_epoch"
FIELDS = {LOSS: "eval_loss", ACCURACY: "eval_accuracy"}
"""The objectives that a study can have: metrics of each epoch, and their names in metrics.jsonl."""

_REPORT = "training-report.html"


def trial_name(number: int) -> str:
    """Name of a trial's folder."""
    return f"trial-{number:03d}"


@contextmanager
def lock_study(directory: Path) -> Iterator[None]:
    """Lock the study; otherwise a second process would resume the trial that is running.

    Raises:
        TuningError: Another process holds it.
    """
    import fcntl  # which Windows lacks

    with (directory / FILE).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TuningError(
                f"another process is running the study in {directory}; wait for it, or give another --study-dir"
            ) from error
        yield


def open_study(directory: Path, plan: Plan) -> "optuna.Study":
    """Open or create Optuna's study in a directory that has a plan."""
    require_installed("optuna")
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    epochs = hyperband_epochs(most_epochs(plan.space, TrainConfig.from_strings(plan.fixed).epochs))
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(directory / JOURNAL))),
        study_name=FILE,
        load_if_exists=True,
        direction="minimize" if plan.objective.goal == "Minimize" else "maximize",
        pruner=optuna_pruner(plan.strategy, epochs, early_stopping=plan.early_stopping),
    )
    # A new sampler restarts its random numbers, and would try the first values again.
    study.sampler = optuna_sampler(plan.strategy, plan.seed + len(study.get_trials(deepcopy=False)))
    return study


def read_study(directory: Path) -> Tuning:
    """Read the trials of a study directory, including running and failed ones.

    Raises:
        TuningError: There is no study.
        JobError: Optuna is not installed.
    """
    plan = read_plan(directory)
    trials = open_study(directory, plan).get_trials(deepcopy=False)
    return Tuning(
        name=str(directory),
        objective=plan.objective,
        strategy=plan.strategy,
        trials=[_read(trial, directory, plan) for trial in trials if trial.params],
    )


def read_curve(job: JobDirectory, metric: str) -> list[float]:
    """Read the objective after each epoch from the job's metrics.jsonl."""
    text = (job.layout.output_data / "metrics.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    return [record[FIELDS[metric]] for record in records if "epoch" in record]


def _read(trial: "optuna.trial.FrozenTrial", directory: Path, plan: Plan) -> Trial:
    from optuna.trial import TrialState

    status: dict[TrialState, Status] = {
        TrialState.COMPLETE: "completed",
        TrialState.PRUNED: "stopped early",
        TrialState.FAIL: "failed",
    }
    curve = tuple(trial.user_attrs.get(CURVE, ())) or tuple(trial.intermediate_values.values())
    outputs = JobDirectory(directory / trial_name(trial.number)).layout.output_data
    report, predictions = outputs / _REPORT, outputs / PREDICTIONS
    return Trial(
        name=trial_name(trial.number),
        hyperparameters=dict(trial.params),
        status=status.get(trial.state, "running"),
        objective=plan.objective.best(curve) if curve else None,
        curve=curve,
        duration_s=trial.user_attrs.get(SECONDS),
        reason=trial.user_attrs.get(REASON, ""),
        tested=read_predictions(predictions.read_text(encoding="utf-8")) if predictions.is_file() else None,
        address=report.resolve().as_uri() if report.is_file() else "",
    )
