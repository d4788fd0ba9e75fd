"""SageMaker's search strategies, and what stands for each of them in Optuna and in a Weights & Biases sweep."""

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal, get_args

from container.train.hyperparameters import Value
from slipway.errors import SearchSpaceError
from slipway.search_space import EPOCHS, Choices, NumberRange, SearchSpace, require_choices

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

Strategy = Literal["Bayesian", "Random", "Grid", "Hyperband"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

DEFAULT_MAX_JOBS = 20
DEFAULT_MAX_PARALLEL_JOBS = 2

# A third of the trials of each rung goes on to three times the epochs. With two rungs below the full length, a bad
# trial costs a ninth of it.
_REDUCTION = 3
_FIRST_RUNG = 9

# On this machine: how many trials, and how many epochs of each, are seen before a median means anything.
_MEDIAN_AFTER_TRIALS = 4
_MEDIAN_AFTER_EPOCHS = 2


@dataclass(frozen=True, kw_only=True)
class Epochs:
    """What Hyperband may spend on a trial."""

    least: int
    most: int


def hyperband_epochs(most: int) -> Epochs:
    """The epochs of a Hyperband tuning: all of them for the best, at least a ninth for every trial."""
    return Epochs(least=max(1, most // _FIRST_RUNG), most=most)


def most_epochs(space: SearchSpace, fixed: int) -> int:
    """The largest number of epochs that a trial may have.

    Args:
        space: Counts where it has a range for the epochs.
        fixed: The hyperparameter's value elsewhere.
    """
    entry = space.get(EPOCHS)
    if isinstance(entry, NumberRange):
        return int(entry.high)
    return max(int(value) for value in entry.values) if isinstance(entry, Choices) else fixed


def job_count(strategy: str, space: SearchSpace, wanted: int | None) -> int:
    """How many trials there are.

    Raises:
        SearchSpaceError: A grid has a range in it, or another number of trials is wanted than it has points.
    """
    if strategy != "Grid":
        return wanted or DEFAULT_MAX_JOBS
    points = require_choices(space)
    if wanted not in (None, points):
        raise SearchSpaceError(f"the grid has {points} points and all of them are tried; leave the number of jobs out")
    return points


def grid_points(space: SearchSpace) -> list[dict[str, Value]]:
    """Every combination of listed values."""
    values = [entry.values for entry in space.values() if isinstance(entry, Choices)]
    return [dict(zip(space, point, strict=True)) for point in product(*values)]


def optuna_sampler(strategy: Strategy, seed: int | None) -> "BaseSampler":
    """What chooses the values of the next trial; a grid's are all known before."""
    from optuna.samplers import RandomSampler, TPESampler

    return RandomSampler(seed=seed) if strategy in ("Random", "Grid") else TPESampler(seed=seed)


def optuna_pruner(strategy: Strategy, epochs: Epochs, *, early_stopping: bool) -> "BasePruner":
    """What ends trials that will not become good."""
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    if strategy == "Hyperband":
        return HyperbandPruner(epochs.least, epochs.most, _REDUCTION)
    if not early_stopping:
        return NopPruner()
    return MedianPruner(n_startup_trials=_MEDIAN_AFTER_TRIALS, n_warmup_steps=_MEDIAN_AFTER_EPOCHS)
