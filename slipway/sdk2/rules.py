"""Rules of version 2 of the SDK as parts of a job's definition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sagemaker.debugger import Rule, RuleBase

from slipway.training.debugger_request import JOB
from slipway.training.debugger_rules import BuiltInRule, Rules


@dataclass(frozen=True, kw_only=True)
class SdkRule(BuiltInRule):
    """A Rule or ProfilerRule of the SDK."""

    rule: Any

    def configuration(self, evaluator: str) -> dict[str, Any]:
        """Return the rule's configuration in a request; the SDK has chosen the evaluator already."""
        if not self.on_tensors:
            return dict(self.rule.to_profiler_rule_config_dict())
        self.rule.prepare_actions(JOB)
        return dict(self.rule.to_debugger_rule_config_dict())


def with_sdk_rules(given: Rules) -> Rules:
    """Return the rules with those of the SDK as `SdkRule`; others are returned as they are given."""
    if isinstance(given, RuleBase):
        return [_converted(given)]
    if isinstance(given, Sequence) and not isinstance(given, str):
        return [_converted(one) if isinstance(one, RuleBase) else one for one in given]
    return given


def _converted(rule: RuleBase) -> SdkRule:
    collections = {one.name: one.parameters or {} for one in getattr(rule, "collection_configs", ())}
    parameters = rule.rule_parameters or {}
    on_tensors = isinstance(rule, Rule)
    return SdkRule(name=rule.name, on_tensors=on_tensors, parameters=parameters, collections=collections, rule=rule)
