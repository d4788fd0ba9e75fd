"""The variants of a comparison: every combination of the values of the varied hyperparameters."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from container.contract.errors import HyperparameterError
from container.contract.hyperparameters import TrainConfig

MODEL_TYPE = "model-type"

BASELINE = ("resnet50", "resnet101", "resnet152")
"""The default architectures to compare: the seed project's three networks."""

Choices = Mapping[str, Sequence[str]]
"""Values to try, by hyperparameter."""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One job of a comparison."""

    varied: Mapping[str, str]
    """Values of the varied hyperparameters."""
    hyperparameters: Mapping[str, str]
    """Values of the common and the varied hyperparameters."""

    @property
    def name(self) -> str:
        """Name for people, such as `resnet50` or `resnet50, batch-size 32`."""
        return ", ".join(value if name == MODEL_TYPE else f"{name} {value}" for name, value in self.varied.items())

    @property
    def slug(self) -> str:
        """Name for a folder or a training job: letters, digits and hyphens."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


def parse_choices(text: str) -> tuple[str, tuple[str, ...]]:
    """Parse NAME=VALUE,VALUE,….

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
    """Build every combination, in the order in which the values were given, and check all of them.

    Args:
        choices: Values of at least one hyperparameter.
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
