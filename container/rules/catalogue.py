"""The classes of the built-in rules, and the making of the chosen ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from container.rules.all_zero import AllZero
from container.rules.built_in import BuiltInRule
from container.rules.class_imbalance import ClassImbalance
from container.rules.confusion import Confusion
from container.rules.dead_relu import DeadRelu
from container.rules.exploding_tensor import ExplodingTensor
from container.rules.judging import RuleRun
from container.rules.loss_not_decreasing import LossNotDecreasing
from container.rules.overfit import Overfit
from container.rules.overtraining import Overtraining
from container.rules.own_rule import make_rule
from container.rules.poor_weight_initialization import PoorWeightInitialization
from container.rules.selection import Chosen
from container.rules.tensor_variance import TensorVariance
from container.rules.unchanged_tensor import UnchangedTensor
from container.rules.vanishing_gradient import VanishingGradient

CLASSES: Mapping[str, type[BuiltInRule[Any]]] = {
    kind.__name__: kind
    for kind in (
        AllZero,
        ClassImbalance,
        Confusion,
        DeadRelu,
        ExplodingTensor,
        LossNotDecreasing,
        Overfit,
        Overtraining,
        PoorWeightInitialization,
        TensorVariance,
        UnchangedTensor,
        VanishingGradient,
    )
}


def make_runs(chosen: Sequence[Chosen], trial: Any) -> list[RuleRun]:
    """Make the chosen rules, ready to run.

    Raises:
        RuleError: A user's class cannot be loaded, or has no such parameter.
    """
    return [_run(one, trial) for one in chosen]


def _run(chosen: Chosen, trial: Any) -> RuleRun:
    if chosen.file is not None:
        return RuleRun(chosen.name, make_rule(chosen, trial), dict(chosen.parameters))
    return RuleRun(chosen.name, CLASSES[chosen.name](trial, **chosen.parameters), {})
