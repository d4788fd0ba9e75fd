"""One trial of a tuning job, wherever it ran, and all of them together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from container.train.hyperparameters import Value
from slipway.tuning.objective import Objective

Status = Literal["completed", "stopped early", "failed", "stopped", "running"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training job of a tuning job."""

    name: str
    """The training job's, or the folder's in the study directory."""
    hyperparameters: Mapping[str, Value]
    """Those that are tuned."""
    status: Status
    objective: float | None
    """None where the trial has none yet, or failed before it had one."""
    curve: tuple[float, ...] = ()
    """The objective after each epoch, where it is known."""
    duration_s: float | None = None
    reason: str = ""
    """Why it failed."""
    address: str = ""
    """Where more is found: a page of the AWS console, or a training report."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The trials of a tuning job or study, in the order in which they were started."""

    name: str
    """Of the tuning job, or the study directory."""
    objective: Objective
    strategy: str
    trials: Sequence[Trial]
    best_name: str = ""
    """The trial that SageMaker calls the best; empty: the first of the completed ones."""

    @property
    def ranked(self) -> list[Trial]:
        """Completed trials with the best first, then the others that have an objective, then the rest.

        A trial that was stopped early stands behind all completed ones: its figure is of fewer epochs.
        """

        def key(trial: Trial) -> tuple[int, float]:
            if trial.objective is None:
                return 2, 0.0
            behind = trial.status != "completed" and trial.name != self.best_name
            return int(behind), self.objective.sort_key(trial.objective)

        return sorted(self.trials, key=key)

    @property
    def completed(self) -> list[Trial]:
        """The trials that ended by themselves and have an objective."""
        return [trial for trial in self.trials if trial.status == "completed" and trial.objective is not None]

    @property
    def best(self) -> Trial | None:
        """The best trial."""
        named = [trial for trial in self.trials if trial.name == self.best_name]
        return next(iter(named or self.ranked)) if named or self.completed else None
