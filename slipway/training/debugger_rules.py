"""SageMaker's built-in rules by name; each is a processing job of AWS that runs beside the training job."""

import difflib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from container.contract.debugger_defaults import WHOLE
from slipway.errors import SettingError

MOST_RULES = 20
"""Limit on a job's built-in rules (the developer guide's List of Debugger Built-in Rules)."""

Rules = Any
"""Names, rule configurations in the form of AWS's API, and with version 2 of the SDK its Rule and ProfilerRule; one of
them, or a sequence."""

# Whole tensors are as large as the network, and activations as large again for each picture: save them seldom.
_WHOLE_FOR_RULES: Mapping[str, Mapping[str, str]] = {
    **WHOLE,
    "weights": {"save_interval": "100"},
    "gradients": {"save_interval": "100"},
    "relu_input": {"include_regex": ".*relu_input", "save_interval": "500"},
    "relu_output": {"include_regex": ".*relu_output", "save_interval": "500"},
}


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


@dataclass(frozen=True, kw_only=True)
class BuiltInRule:
    """A built-in rule that is attached by its name."""

    name: str
    on_tensors: bool
    """Whether it reads tensors; else the profiler's measurements."""
    parameters: Mapping[str, str]
    collections: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Parameters of the collections that it needs, by name."""

    def configuration(self, evaluator: str) -> dict[str, Any]:
        """Return the rule's configuration in a request.

        Args:
            evaluator: Address of the image that evaluates it.
        """
        return {
            "RuleConfigurationName": self.name,
            "RuleEvaluatorImage": evaluator,
            "RuleParameters": dict(self.parameters),
        }


def as_rules(given: Rules) -> list[Any]:
    """Return the rules, with a `BuiltInRule` for each name.

    Args:
        given: Names such as VanishingGradient (also vanishing_gradient, vanishing-gradient), and rule configurations
            in the form of AWS's API.

    Raises:
        SettingError: There is no such rule, two are named alike, or there are more than SageMaker takes.
    """
    entries = [given] if isinstance(given, str | Mapping) else [*(given or ())]
    for entry in entries:
        if not isinstance(entry, str | Mapping | BuiltInRule):
            raise SettingError(
                f"rules holds {entry!r}; give names such as VanishingGradient, rule configurations in the form of "
                "AWS's API, or the Rule and ProfilerRule of version 2 of the SDK"
            )
    rules = [_rule(entry) if isinstance(entry, str) else entry for entry in entries]
    if len(rules) > MOST_RULES:
        raise SettingError(f"{len(rules)} rules are given, and SageMaker takes {MOST_RULES} for a job; leave some out")
    twice = [name for name, count in Counter(map(rule_name, rules)).items() if count > 1]
    if twice:
        raise SettingError(f"the rule {twice[0]} is given twice; leave one out, or give one of them another name")
    return rules


def rule_name(rule: Any) -> str:
    """Return the name of a rule, in whichever form it is given."""
    return str(rule["RuleConfigurationName"] if isinstance(rule, Mapping) else rule.name)


def on_tensors(rule: BuiltInRule | Mapping[str, Any]) -> bool:
    """Whether a rule reads tensors; a configuration in the API's form tells by its built-in rule."""
    if isinstance(rule, BuiltInRule):
        return rule.on_tensors
    return rule.get("RuleParameters", {}).get("rule_to_invoke") not in PROFILER_RULES


def _rule(name: str) -> BuiltInRule:
    known = {_plain(each): each for each in (*TENSOR_RULES, *PROFILER_RULES)}
    found = known.get(_plain(name))
    if found is None:
        raise SettingError(_unknown(name, known))
    invoked = {"rule_to_invoke": found}
    if found in PROFILER_RULES:
        return BuiltInRule(name=found, on_tensors=False, parameters=invoked)
    needs = TENSOR_RULES[found]
    saved = {name: _WHOLE_FOR_RULES[name] for name in needs.collections}
    return BuiltInRule(name=found, on_tensors=True, parameters={**invoked, **needs.parameters}, collections=saved)


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
                f"the rule {each} needs parameters or tensors that a name does not say; in Python, give its "
                "configuration in the form of AWS's API, with RuleParameters"
            )
    near = difflib.get_close_matches(plain, known, n=1, cutoff=0.6)
    hint = f"did you mean {known[near[0]]}?" if near else f"there are: {', '.join(known.values())}"
    return f"SageMaker has no rule {name!r}; {hint}"
