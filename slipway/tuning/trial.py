"""Trials of a tuning job or study, wherever they ran."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from container.contract.hyperparameters import Value
from slipway.requests.objective import Objective

Status = Literal["completed", "stopped early", "failed", "stopped", "running"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One training job of a tuning job."""

    name: str
    """Name of the training job, or of the folder in the study directory."""
    hyperparameters: Mapping[str, Value]
    """Values of the tuned hyperparameters."""
    status: Status
    objective: float | None
    """Value of the objective; None if there is none yet, or the trial failed before it had one."""
    curve: tuple[float, ...] = ()
    """The objective after each epoch, if known."""
    duration_s: float | None = None
    reason: str = ""
    """Reason why the trial failed."""
    address: str = ""
    """Address of details: a page of the AWS console, or a training report."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The trials of a tuning job or study, in the order in which they were started."""

    name: str
    """Name of the tuning job, or path of the study directory."""
    objective: Objective
    strategy: str
    trials: Sequence[Trial]
    best_name: str = ""
    """Name of the trial that SageMaker calls the best; empty: the best of the completed ones."""

    @property
    def ranked(self) -> list[Trial]:
        """List the completed trials, best first, then the others with an objective, then the rest.

        Trials that were stopped early come after all completed ones, since they trained for fewer epochs.
        """

        def key(trial: Trial) -> tuple[int, float]:
            if trial.objective is None:
                return 2, 0.0
            behind = trial.status != "completed" and trial.name != self.best_name
            return int(behind), self.objective.sort_key(trial.objective)

        return sorted(self.trials, key=key)

    @property
    def completed(self) -> list[Trial]:
        """List the trials that ran to their end and have an objective."""
        return [trial for trial in self.trials if trial.status == "completed" and trial.objective is not None]

    def to_json(self) -> dict[str, Any]:
        """Return the trials, best first, and what they are judged by."""
        return {
            "name": self.name,
            "objective": {"metric": self.objective.metric, "goal": self.objective.goal},
            "strategy": self.strategy,
            "best": self.best.name if self.best else None,
            "trials": [asdict(trial) for trial in self.ranked],
        }

    @property
    def best(self) -> Trial | None:
        """The best trial."""
        named = [trial for trial in self.trials if trial.name == self.best_name]
        return next(iter(named or self.ranked)) if named or self.completed else None
