"""Trials of a tuning job or study, wherever they ran."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from container.contract.hyperparameters import Value
from slipway.chance import Scored, indistinguishable
from slipway.requests.objective import Objective

_MOST_NAMED = 3

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
    tested: Scored | None = None
    """Which test pictures its model classified correctly; None if not known, as for jobs on SageMaker."""


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
            "no_difference": self.equals,
            "trials": [
                {name: value for name, value in asdict(replace(trial, tested=None)).items() if name != "tested"}
                for trial in self.ranked
            ],
        }

    @property
    def equals(self) -> list[str] | None:
        """List the completed trials that the test pictures cannot tell from the best; None if they are not known."""
        best = self.best
        if best is None or best.tested is None:
            return None
        others = {trial.name: trial.tested for trial in self.completed if trial.tested and trial is not best}
        return indistinguishable(best.tested, others)

    @property
    def chance(self) -> str:
        """Say whether the best trial is better than the others by more than chance, as a sentence; "" with no other."""
        best, equals = self.best, self.equals
        others = len(self.completed) - 1
        if best is None or others < 1:
            return ""
        if equals is None or best.tested is None:
            return "Whether that is more than chance is not known, as the predictions of the trials are not here."
        pictures = f"{best.tested.total:,} test pictures"
        if not equals:
            return f"On the {pictures}, it is better than each other trial by more than chance."
        named = ", ".join(equals[:_MOST_NAMED]) + (
            f" and {len(equals) - _MOST_NAMED} more" if len(equals) > _MOST_NAMED else ""
        )
        return f"There is no difference that the {pictures} can show between it and {named}."

    @property
    def best(self) -> Trial | None:
        """The best trial."""
        named = [trial for trial in self.trials if trial.name == self.best_name]
        return next(iter(named or self.ranked)) if named or self.completed else None
