"""SageMaker's built-in rules by name; each is a processing job of AWS that runs beside the training job."""

import difflib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sagemaker.debugger import (
    CollectionConfig,
    ProfilerRule,
    Rule,
    RuleBase,
    rule_configs,
)

from slipway.debugger_hook import saved_for_rules
from slipway.errors import SettingError

MOST_RULES = 20
"""Limit on a job's built-in rules (the developer guide's List of Debugger Built-in Rules)."""

Rules: TypeAlias = str | RuleBase | Sequence[str | RuleBase]


@dataclass(frozen=True, kw_only=True)
class TensorRule:
    """Parameters and collections that a rule needs to work on the tensors of Slipway's image."""

    collections: tuple[str, ...]
    """Collections to save with whole tensors: SageMaker's rules are not public; some need more than reductions."""
    parameters: Mapping[str, str] = field(default_factory=dict)


# The parameters and what must be given of them: the developer guide's List of Debugger Built-in Rules.
TENSOR_RULES: Mapping[str, TensorRule] = {
    "AllZero": TensorRule(collections=("weights", "gradients"), parameters={"collection_names": "weights,gradients"}),
    "ClassImbalance": TensorRule(collections=("labels", "predictions"), parameters={"argmax": "True"}),
    "Confusion": TensorRule(
        collections=("labels", "predictions"), parameters={"labels": "labels", "predictions": "predicted_classes"}
    ),
    "DeadRelu": TensorRule(collections=("relu_output",), parameters={"tensor_regex": ".*relu_output"}),
    "ExplodingTensor": TensorRule(
        collections=("losses", "weights", "gradients"), parameters={"collection_names": "losses,weights,gradients"}
    ),
    "LossNotDecreasing": TensorRule(collections=("losses",)),
    "Overfit": TensorRule(collections=("losses",)),
    "Overtraining": TensorRule(collections=("losses",)),
    "PoorWeightInitialization": TensorRule(collections=("relu_input", "gradients", "losses")),
    "TensorVariance": TensorRule(
        collections=("weights",), parameters={"collection_names": "weights", "max_threshold": "10"}
    ),
    "UnchangedTensor": TensorRule(collections=("weights",), parameters={"collection_names": "weights"}),
    "VanishingGradient": TensorRule(collections=("gradients",)),
}
"""The rules on tensors that can be used by name alone."""

PROFILER_RULES = (
    "BatchSize",
    "CPUBottleneck",
    "GPUMemoryIncrease",
    "IOBottleneck",
    "LoadBalancing",
    "LowGPUUtilization",
    "MaxInitializationTime",
    "OverallSystemUsage",
    "ProfilerReport",
    "StepOutlier",
)
"""The rules on the profiler's measurements."""

_ONLY_IN_THE_REPORT = ("Dataloader", "OverallFrameworkMetrics")
_ONLY_AS_OBJECTS = (
    "CheckInputImages",
    "CreateXgboostReport",
    "FeatureImportanceOverweight",
    "NLPSequenceRatio",
    "SaturatedActivation",
    "SimilarAcrossRuns",
    "StalledTrainingRule",
    "TreeDepth",
    "WeightUpdateRatio",
)


def as_rules(given: Rules | None) -> list[RuleBase]:
    """Return the SDK's rule objects, built from names where needed.

    Args:
        given: Names such as VanishingGradient (also vanishing_gradient, vanishing-gradient), Rule and ProfilerRule.

    Raises:
        SettingError: There is no such rule, two are named alike, or there are more than SageMaker takes.
    """
    entries: Sequence[str | RuleBase] = [given] if isinstance(given, str | RuleBase) else [*(given or ())]
    rules = [_rule(entry) if isinstance(entry, str) else entry for entry in entries]
    for rule in rules:
        if not isinstance(rule, Rule | ProfilerRule):
            raise SettingError(
                f"rules holds {rule!r}; give names such as VanishingGradient, or the SDK's Rule and ProfilerRule"
            )
    if len(rules) > MOST_RULES:
        raise SettingError(f"{len(rules)} rules are given, and SageMaker takes {MOST_RULES} for a job; leave some out")
    twice = [name for name, count in Counter(rule.name for rule in rules).items() if count > 1]
    if twice:
        raise SettingError(
            f"the rule {twice[0]} is given twice; leave one out, or give the SDK's Rule with another name="
        )
    return rules


def read_tensors(rules: Sequence[RuleBase]) -> bool:
    """Whether any of the rules needs the debugger's hook."""
    return any(isinstance(rule, Rule) for rule in rules)


def _rule(name: str) -> RuleBase:
    known = {_plain(each): each for each in (*TENSOR_RULES, *PROFILER_RULES)}
    found = known.get(_plain(name))
    if found is None:
        raise SettingError(_unknown(name, known))
    if found in PROFILER_RULES:
        return ProfilerRule.sagemaker(getattr(rule_configs, found)())
    needs = TENSOR_RULES[found]
    return Rule.sagemaker(
        _base_config(found), rule_parameters=dict(needs.parameters), collections_to_save=_saved(needs)
    )


def _base_config(name: str) -> Any:
    return getattr(rule_configs, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())()


def _saved(needs: TensorRule) -> list[CollectionConfig]:
    return [saved_for_rules(name) for name in needs.collections]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def _unknown(name: str, known: Mapping[str, str]) -> str:
    plain = _plain(name)
    for each in _ONLY_IN_THE_REPORT:
        if plain == _plain(each):
            return f"SageMaker runs {each} only as a part of ProfilerReport; give that rule"
    for each in _ONLY_AS_OBJECTS:
        if plain == _plain(each):
            return (
                f"the rule {each} needs parameters or tensors that a name does not say; in Python, give "
                "sagemaker.debugger.Rule.sagemaker(...) with its rule_parameters and collections_to_save"
            )
    near = difflib.get_close_matches(plain, known, n=1, cutoff=0.6)
    hint = f"did you mean {known[near[0]]}?" if near else f"there are: {', '.join(known.values())}"
    return f"SageMaker has no rule {name!r}; {hint}"
