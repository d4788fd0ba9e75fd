"""What a comparison tries: every combination of the values that hyperparameters are varied over."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from container.errors import HyperparameterError
from container.train.hyperparameters import TrainConfig

MODEL_TYPE = "model-type"

BASELINE = ("resnet50", "resnet101", "resnet152")
"""What is compared where nothing is said: the seed project's three networks."""

Choices = Mapping[str, Sequence[str]]
"""Values to try, by hyperparameter."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One job of a comparison."""

    varied: Mapping[str, str]
    """What makes it differ from the others."""
    hyperparameters: Mapping[str, str]
    """All that are given: the common ones and the varied ones."""

    @property
    def name(self) -> str:
        """Such as `resnet50`, or `resnet50, batch-size 32`."""
        return ", ".join(value if name == MODEL_TYPE else f"{name} {value}" for name, value in self.varied.items())

    @property
    def slug(self) -> str:
        """The name for a folder or a training job: letters, digits and hyphens."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def parse_choices(text: str) -> tuple[str, tuple[str, ...]]:
    """Read NAME=VALUE,VALUE,….

    Raises:
        HyperparameterError: It has another form, or a value is there twice.
    """
    name, equals, values = text.partition("=")
    found = tuple(value.strip() for value in values.split(",") if value.strip())
    if not equals or not found:
        raise HyperparameterError(f"{text!r} names no values to compare; write it as batch-size=32,64")
    if repeated := sorted({value for value in found if found.count(value) > 1}):
        raise HyperparameterError(f"{name} has {', '.join(repeated)} more than once; give each value once")
    return name.strip(), found


def make_variants(choices: Choices, common: Mapping[str, str]) -> tuple[Variant, ...]:
    """Every combination, in the order in which the values were given; all are checked before the first one runs.

    Args:
        choices: At least one hyperparameter.
        common: Hyperparameters that all variants share.

    Raises:
        HyperparameterError: A name is unknown, a value does not fit, or there is nothing to compare.
    """
    for name in choices:
        if name in common:
            raise HyperparameterError(
                f"{name} is {common[name]} for all jobs, and is to be varied too; give one of them"
            )
    variants = []
    for values in itertools.product(*choices.values()):
        varied = dict(zip(choices, values, strict=True))
        hyperparameters = {**common, **varied}
        TrainConfig.from_strings(hyperparameters)
        variants.append(Variant(varied=varied, hyperparameters=hyperparameters))
    if len(variants) < 2:
        raise HyperparameterError(
            f"there is one variant only ({variants[0].name}), and a comparison needs two; add a value, or "
            "use slipway train"
        )
    return tuple(variants)
