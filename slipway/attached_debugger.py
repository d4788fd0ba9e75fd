"""Arguments of `Estimator` from an earlier training job's debugger, profiler and rules."""

import json
from collections.abc import Mapping
from typing import Any

from sagemaker.debugger import CollectionConfig, DebuggerHookConfig, ProfilerConfig, ProfilerRule, Rule, rule_configs

_ACTIONS = "action_json"


class RecordedProfilerConfig(ProfilerConfig):  # type: ignore[misc]  # the SDK has no types
    """A profiler configuration with the API's own parameters; the SDK builds them from other objects only."""

    def __init__(self, recorded: Mapping[str, Any]) -> None:
        super().__init__(
            s3_output_path=recorded.get("S3OutputPath"),
            system_monitor_interval_millis=recorded.get("ProfilingIntervalInMilliseconds"),
            disable_profiler=recorded.get("DisableProfiler", False),
        )
        self._parameters = recorded.get("ProfilingParameters")

    def _to_request_dict(self) -> dict[str, Any]:
        parameters = {"ProfilingParameters": self._parameters} if self._parameters else {}
        return {**super()._to_request_dict(), **parameters}


def debugger_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """Build debugger_hook_config, rules, profiler_config and disable_profiler, as far as the job has them.

    Args:
        description: DescribeTrainingJob's answer.
    """
    found: dict[str, Any] = {}
    if hook := description.get("DebugHookConfig"):
        found["debugger_hook_config"] = DebuggerHookConfig(
            s3_output_path=hook["S3OutputPath"],
            container_local_output_path=hook.get("LocalPath"),
            hook_parameters=hook.get("HookParameters"),
            collection_configs=[
                CollectionConfig(entry["CollectionName"], entry.get("CollectionParameters"))
                for entry in hook.get("CollectionConfigurations", ())
            ],
        )
    rules = [
        _tensor_rule(rule, description["TrainingJobName"]) for rule in description.get("DebugRuleConfigurations", ())
    ]
    rules += [ProfilerRule(**_common(rule)) for rule in description.get("ProfilerRuleConfigurations", ())]
    if rules:
        found["rules"] = rules
    if profiler := description.get("ProfilerConfig"):
        found["profiler_config"] = RecordedProfilerConfig(profiler)
        found["disable_profiler"] = profiler.get("DisableProfiler", False)
    return found


def _common(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": rule["RuleConfigurationName"],
        "image_uri": rule["RuleEvaluatorImage"],
        "instance_type": rule.get("InstanceType"),
        "container_local_output_path": rule.get("LocalPath"),
        "s3_output_path": rule.get("S3OutputPath"),
        "volume_size_in_gb": rule.get("VolumeSizeInGB") or None,
        "rule_parameters": dict(rule.get("RuleParameters", {})),
    }


def _tensor_rule(rule: Mapping[str, Any], job: str) -> Rule:
    common = _common(rule)
    actions = _actions(common["rule_parameters"].pop(_ACTIONS, ""), job)
    # The collections that a rule asked for are in the hook's configuration.
    return Rule(**common, collections_to_save=[], actions=actions)


def _actions(text: str, job: str) -> Any:
    """Rebuild a rule's actions, or return None; one that stopped the earlier job must stop the next one instead."""
    found = []
    # The SDK writes the quotation marks with a backslash.
    for action in json.loads(text.replace('\\"', '"')) if text else ():
        if action["name"] == "stoptraining":
            prefix = action.get("training_job_prefix")
            found.append(rule_configs.StopTraining(None if prefix == job else prefix))
        else:
            kinds = {"email": rule_configs.Email, "sms": rule_configs.SMS}
            found.append(kinds[action["name"]](action["endpoint"]))
    return rule_configs.ActionList(*found) if found else None
