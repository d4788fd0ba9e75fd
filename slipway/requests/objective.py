"""The objective of a tuning job: a metric from the jobs' logs, to minimize or maximize."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from container.contract.metric_lines import METRIC_DEFINITIONS
from slipway.errors import SearchSpaceError

Goal = Literal["Minimize", "Maximize"]

DEFAULT_OBJECTIVE = "eval_loss_epoch"


@dataclass(frozen=True)
class Objective:
    """A metric, and whether to minimize or maximize it."""

    metric: str
    goal: Goal

    def best(self, values: Sequence[float]) -> float:
        """Return the best of some values."""
        return min(values) if self.goal == "Minimize" else max(values)

    def sort_key(self, value: float) -> float:
        """Return a sort key that is smaller for better values."""
        return value if self.goal == "Minimize" else -value


def objective(
    metric: str, goal: Goal | None = None, definitions: Sequence[Mapping[str, str]] = METRIC_DEFINITIONS
) -> Objective:
    """Build the objective for a metric.

    Args:
        metric: Name of one of the metric definitions.
        goal: Maximize or Minimize; None: Maximize for accuracies, else Minimize.
        definitions: In SageMaker's form.

    Raises:
        SearchSpaceError: No metric has this name.
    """
    names = [definition["Name"] for definition in definitions]
    if metric not in names:
        near = difflib.get_close_matches(metric, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
        raise SearchSpaceError(f"jobs write no metric {metric}; {hint}")
    return Objective(metric, goal or ("Maximize" if "accuracy" in metric else "Minimize"))
