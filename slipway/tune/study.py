"""Runs a study on this machine: trials are training jobs, chosen and pruned by Optuna, one after another.

Each trial has its own job directory in the study directory, so that an interrupted one resumes from its checkpoints.
Optuna's journal beside them records the values that were tried; it is enough to continue the study at any time.
"""

import shutil
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container.contract.hyperparameters import TrainConfig
from container.contract.metric_lines import EvaluationLine, TrainLine
from container.contract.model_files import GRAPH
from slipway.errors import JobError, JobFailedError, StoppedError
from slipway.files.archive import pack_model
from slipway.processes.exporting import export_model
from slipway.processes.job import JobDirectory, open_job
from slipway.processes.training import run_job
from slipway.requests.search_space import Choices, SearchSpace, as_text
from slipway.tune.journal import (
    ACCURACY,
    CURVE,
    REASON,
    SECONDS,
    lock_study,
    open_study,
    read_curve,
    read_study,
    trial_name,
)
from slipway.tuning.plan import Plan, keep_plan
from slipway.tuning.strategy import grid_points
from slipway.tuning.trial import Tuning

if TYPE_CHECKING:
    import optuna

# Many failures, such as missing pictures, would repeat in every trial.
_FAILURES_AT_FIRST = 3


@dataclass(frozen=True, kw_only=True)
class StudyRun:
    """A study that was run, perhaps not to its end."""

    tuning: Tuning
    best_job: JobDirectory | None
    """Job of the best trial, whose model is packed if the study has ended."""
    stopped_by: int | None = None
    """The signal that stopped it."""


def run_study(
    plan: Plan,
    job_count: int,
    channels: Mapping[str, Path],
    directory: Path,
    *,
    say: Callable[[str], None],
    verbose: bool = False,
    keep_models: bool = False,
) -> StudyRun:
    """Run trials until there are enough; continue an earlier study, interrupted trials first.

    Args:
        plan: The search space and strategy.
        job_count: Total number of trials, with those of earlier runs. Failed trials of earlier runs do not count:
            their values are tried again.
        channels: Folders by channel name.
        directory: Directory of the study.
        say: Called with each trial's result.
        verbose: Show the jobs' full output.
        keep_models: Keep the model and the checkpoints of every trial, not only of the best.

    Raises:
        TuningError: The directory holds another study, or another process runs it.
        JobFailedError: Every trial failed.
        JobError: A trial's folder cannot be written.
    """
    keep_plan(plan, channels, directory)
    with lock_study(directory):
        runner = _Runner(plan, channels, directory, say, verbose=verbose, keep_models=keep_models)
        runner.enqueue()
        stopped_by = runner.run(job_count)
    tuning = read_study(directory)
    best = tuning.best
    if best is None:
        if stopped_by is None:
            raise JobFailedError(_nothing(tuning))
        return StudyRun(tuning=tuning, best_job=None, stopped_by=stopped_by)
    job = JobDirectory(directory / best.name)
    if stopped_by is None:
        if _exports_best(plan):
            _export(job, channels, say)
        pack_model(job.layout.model, job.archive)
    return StudyRun(tuning=tuning, best_job=job, stopped_by=stopped_by)


def _nothing(tuning: Tuning) -> str:
    failed = [trial for trial in tuning.trials if trial.reason]
    if not failed:
        return f"no trial of the study in {tuning.name} has finished; run the same command again"
    return f"every trial of the study in {tuning.name} failed; the last one, {failed[-1].name}: {failed[-1].reason}"


def _exports_best(plan: Plan) -> bool:
    """Whether only the best trial is exported, at the end: exporting each would cost it seconds for nothing."""
    return not {"export", "int8"} & {*plan.fixed, *plan.space}


def _export(job: JobDirectory, channels: Mapping[str, Path], say: Callable[[str], None]) -> None:
    """Export a model, unless an earlier run has; a failure is only told, since servers with torch need no graph."""
    if (job.layout.model / GRAPH).exists():
        return
    pictures = channels.get("validation") or channels.get("test") or channels["train"]
    try:
        code, _ = export_model(job.path, form="onnx", int8=False, pictures=pictures)
    except JobError as error:
        say(f"{job.path.name} was not exported: {error}")
        return
    if code:
        say(f"{job.path.name} was not exported; slipway export {job.path} makes it up")


class _Runner:
    """Runs trials of a study, one at a time, since they share the device."""

    def __init__(
        self,
        plan: Plan,
        channels: Mapping[str, Path],
        directory: Path,
        say: Callable[[str], None],
        *,
        verbose: bool,
        keep_models: bool,
    ) -> None:
        self.plan = plan
        self.channels = channels
        self.directory = directory
        self.say = say
        self.verbose = verbose
        self.keep_models = keep_models
        self.study = open_study(directory, plan)
        self.failed: list[int] = []
        """Return the numbers of the trials that failed in this run."""

    def enqueue(self) -> None:
        """Enqueue a grid's points, and again the values of trials that failed in earlier runs."""
        from optuna.trial import TrialState

        trials = self.study.get_trials(deepcopy=False)
        wanted = [trial.params for trial in trials if trial.state == TrialState.FAIL]
        if self.plan.strategy == "Grid":
            wanted = grid_points(self.plan.space)
        known = [_values(trial) for trial in trials if trial.state != TrialState.FAIL]
        for values in wanted:
            if values not in known:
                self.study.enqueue_trial(values)
                known.append(values)

    def run(self, job_count: int) -> int | None:
        """Run the trials; return the signal that stopped them, or None."""
        while self._done() < job_count:
            try:
                stopped_by = self._run_next(job_count)
            except KeyboardInterrupt:  # between two jobs; a running one has the signal from us
                return signal.SIGINT
            if stopped_by is not None:
                return stopped_by
            if len(self.failed) >= _FAILURES_AT_FIRST and self._done() == len(self.failed):
                self.say(f"The first {len(self.failed)} trials all failed; no more are started.")
                return None
        return None

    def _done(self) -> int:
        from optuna.trial import TrialState

        ended = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        return len(ended) + len(self.failed)

    def _next(self) -> "optuna.Trial":
        """Return an interrupted trial, or a new one."""
        import optuna

        running = self.study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,))
        return optuna.Trial(self.study, running[0]._trial_id) if running else self.study.ask()

    def _run_next(self, job_count: int) -> int | None:
        trial = self._next()
        tuned = {name: as_text(value) for name, value in suggest(trial, self.plan.space).items()}
        name = trial_name(trial.number)
        fixed = dict(self.plan.fixed)
        if _exports_best(self.plan):
            fixed["export"] = "false"
        job = open_job(self.directory / name, self.channels, {**fixed, **tuned})
        verb = "resuming" if job.has_checkpoints else "training"
        label = f"[{self._done() + 1}/{job_count}] {name}"
        self.say(f"{label}: {verb} with {', '.join(f'{key} {value}' for key, value in tuned.items())}")
        started = time.monotonic()
        try:
            outcome = run_job(
                job, self.channels, verbose=self.verbose, quiet=True, watch=_Pruning(trial, self.plan, job), pack=False
            )
            self._count(trial, started)
        except StoppedError as stopped:
            self._count(trial, started)
            return stopped.number
        except JobError as error:
            self._count(trial, started)
            self._fail(trial, str(error))
            self.say(f"{label} failed: {error}")
            return None
        if outcome.stopped_by is not None:
            return outcome.stopped_by
        self._finish(trial, job, label, pruned=outcome.ended_by_watch)
        return None

    def _count(self, trial: "optuna.Trial", started: float) -> None:
        trial.set_user_attr(SECONDS, float(trial.user_attrs.get(SECONDS, 0)) + time.monotonic() - started)

    def _finish(self, trial: "optuna.Trial", job: JobDirectory, label: str, *, pruned: bool) -> None:
        from optuna.trial import TrialState

        curve = read_curve(job, self.plan.objective.metric)
        trial.set_user_attr(CURVE, curve)
        value = self.plan.objective.best(curve)
        metric = self.plan.objective.metric
        if pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
            self.say(f"{label}: {metric} {value:.4f}, stopped early after {_epochs(len(curve))}")
        else:
            self.study.tell(trial, value)
            best = " (best so far)" if self.study.best_trial.number == trial.number else ""
            self.say(f"{label}: {metric} {value:.4f} after {_epochs(len(curve))}{best}")
        if not self.keep_models:
            self._make_room()

    def _fail(self, trial: "optuna.Trial", reason: str) -> None:
        from optuna.trial import TrialState

        trial.set_user_attr(REASON, reason.partition("\n")[0])
        self.study.tell(trial, state=TrialState.FAIL)
        self.failed.append(trial.number)
        if not self.keep_models:
            self._make_room()

    def _make_room(self) -> None:
        """Remove the models and checkpoints of all finished trials except the best."""
        from optuna.trial import TrialState

        complete = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        best = self.study.best_trial.number if complete else None
        for trial in self.study.get_trials(deepcopy=False):
            if trial.state.is_finished() and trial.number != best:
                layout = JobDirectory(self.directory / trial_name(trial.number)).layout
                for folder in (layout.model, layout.checkpoints):
                    shutil.rmtree(folder, ignore_errors=True)


def _values(trial: "optuna.trial.FrozenTrial") -> Mapping[str, Any]:
    """Return a trial's values, even if it is still enqueued."""
    values: Mapping[str, Any] = trial.system_attrs.get("fixed_params", trial.params)
    return values


class _Pruning:
    """Reports each evaluation to Optuna, and stops the job if the pruner says so."""

    def __init__(self, trial: "optuna.Trial", plan: Plan, job: JobDirectory) -> None:
        self.trial = trial
        self.metric = plan.objective.metric
        self.last = TrainConfig.from_strings(job.hyperparameters()).epochs
        self.epoch = 0

    def __call__(self, line: TrainLine | EvaluationLine) -> bool:
        if isinstance(line, TrainLine):
            self.epoch = line.epoch
            return False
        if line.phase != "EVAL":
            return False
        self.trial.report(line.accuracy if self.metric == ACCURACY else line.loss, self.epoch)
        # After the last epoch pruning saves no time, and would skip the test.
        return self.epoch < self.last and self.trial.should_prune()


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' if count != 1 else ''}"


def suggest(trial: "optuna.Trial", space: SearchSpace) -> dict[str, Any]:
    """Choose the values of a trial; values that it already has are kept."""
    values: dict[str, Any] = {}
    for name, entry in space.items():
        if isinstance(entry, Choices):
            values[name] = trial.suggest_categorical(name, entry.values)
        elif entry.whole:
            values[name] = trial.suggest_int(name, int(entry.low), int(entry.high), log=entry.scale == "log")
        else:
            values[name] = trial.suggest_float(name, entry.low, entry.high, log=entry.scale == "log")
    return values
