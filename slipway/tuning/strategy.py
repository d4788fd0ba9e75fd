"""SageMaker's search strategies, and their counterparts in Optuna and Weights & Biases."""

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal, get_args

from container.contract.hyperparameters import Value
from slipway.errors import SearchSpaceError
from slipway.requests.search_space import EPOCHS, Choices, NumberRange, SearchSpace, require_choices

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

Strategy = Literal["Bayesian", "Random", "Grid", "Hyperband"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

DEFAULT_MAX_JOBS = 20
DEFAULT_MAX_PARALLEL_JOBS = 2

# A third of the trials of each rung continues to three times the epochs. With two rungs below the full length, a bad
# trial costs a ninth of it.
_REDUCTION = 3
_FIRST_RUNG = 9

# On this machine: trials, and epochs of each, before the median pruner may stop a trial.
_MEDIAN_AFTER_TRIALS = 4
_MEDIAN_AFTER_EPOCHS = 2


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """Hyperband's limits on the epochs of a trial."""

    least: int
    most: int


def hyperband_epochs(most: int) -> Epochs:
    """Compute Hyperband's limits: all epochs for the best trials, at least a ninth for every trial."""
    return Epochs(least=max(1, most // _FIRST_RUNG), most=most)


def most_epochs(space: SearchSpace, fixed: int) -> int:
    """Return the largest number of epochs of a trial.

    Args:
        space: The search space, which may have a range for the epochs.
        fixed: The hyperparameter's value if it has none.
    """
    entry = space.get(EPOCHS)
    if isinstance(entry, NumberRange):
        return int(entry.high)
    return max(int(value) for value in entry.values) if isinstance(entry, Choices) else fixed


def job_count(strategy: str, space: SearchSpace, wanted: int | None) -> int:
    """Return the number of trials.

    Raises:
        SearchSpaceError: A grid contains a range, or the requested number of trials is not its number of points.
    """
    if strategy != "Grid":
        return wanted or DEFAULT_MAX_JOBS
    points = require_choices(space)
    if wanted not in (None, points):
        raise SearchSpaceError(f"the grid has {points} points and all of them are tried; leave the number of jobs out")
    return points


def grid_points(space: SearchSpace) -> list[dict[str, Value]]:
    """Build every combination of listed values."""
    values = [entry.values for entry in space.values() if isinstance(entry, Choices)]
    return [dict(zip(space, point, strict=True)) for point in product(*values)]


def optuna_sampler(strategy: Strategy, seed: int | None) -> "BaseSampler":
    """Build the sampler that chooses the values of the next trial; those of a grid are known in advance."""
    from optuna.samplers import RandomSampler, TPESampler

    return RandomSampler(seed=seed) if strategy in ("Random", "Grid") else TPESampler(seed=seed)


def optuna_pruner(strategy: Strategy, epochs: Epochs, *, early_stopping: bool) -> "BasePruner":
    """Build the pruner that stops unpromising trials."""
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if strategy == "Hyperband":
        return HyperbandPruner(epochs.least, epochs.most, _REDUCTION)
    if not early_stopping:
        return NopPruner()
    return MedianPruner(n_startup_trials=_MEDIAN_AFTER_TRIALS, n_warmup_steps=_MEDIAN_AFTER_EPOCHS)
