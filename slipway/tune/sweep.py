"""Builds a Weights & Biases sweep over the search space: the file for `wandb sweep`."""

from collections.abc import Mapping, Sequence
from typing import Any

from slipway.errors import SearchSpaceError
from slipway.requests.objective import Objective
from slipway.requests.search_space import Choices, NumberRange, Range, SearchSpace, require_choices
from slipway.tuning.strategy import Strategy, hyperband_epochs

FILE = "sweep.yaml"

_METHODS: Mapping[Strategy, str] = {"Bayesian": "bayes", "Random": "random", "Grid": "grid", "Hyperband": "bayes"}
_DISTRIBUTIONS = {
    ("linear", False): "uniform",
    ("log", False): "log_uniform_values",
    ("linear", True): "int_uniform",
    ("log", True): "q_log_uniform_values",
}


def sweep_configuration(
    objective: Objective,
    strategy: Strategy,
    space: SearchSpace,
    command: Sequence[str],
    *,
    most_epochs: int,
    run_cap: int,
) -> dict[str, Any]:
    """Build the content of sweep.yaml.

    Args:
        objective: The objective; jobs log the metrics to Weights & Biases under the same names.
        strategy: Hyperband is Bayesian search with early termination.
        space: The parameters.
        command: Command of a run; the agent adds the values as options.
        most_epochs: Largest number of epochs of a run, for the early termination.
        run_cap: Maximum number of runs.

    Raises:
        SearchSpaceError: A grid contains a range, or the metric is not logged after each epoch.
    """
    if strategy == "Grid":
        require_choices(space)
    if not objective.metric.endswith("_epoch"):
        raise SearchSpaceError(
            f"a sweep needs a metric that is logged after each epoch, which {objective.metric} is not; take "
            "eval_loss_epoch or eval_accuracy_epoch"
        )
    content: dict[str, Any] = {
        "program": command[0],
        "method": _METHODS[strategy],
        "metric": {"name": objective.metric, "goal": objective.goal.lower()},
        "run_cap": run_cap,
        "parameters": {name: _parameter(entry) for name, entry in space.items()},
        "command": ["${env}", "${program}", *command[1:], "${args}"],
    }
    if strategy != "Grid":
        content["early_terminate"] = {"type": "hyperband", "min_iter": hyperband_epochs(most_epochs).least, "eta": 3}
    return content


def _parameter(entry: Range) -> dict[str, Any]:
    if isinstance(entry, Choices):
        return {"values": list(entry.values)}
    distribution = _DISTRIBUTIONS[entry.scale, entry.whole]
    found: dict[str, Any] = {"distribution": distribution, **_ends(entry)}
    return found | ({"q": 1} if distribution.startswith("q_") else {})


def _ends(entry: NumberRange) -> dict[str, float]:
    return {"min": int(entry.low), "max": int(entry.high)} if entry.whole else {"min": entry.low, "max": entry.high}
