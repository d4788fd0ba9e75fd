"""Converts parts of a request to the objects of version 2 of the SDK."""

import json
from collections.abc import Mapping
from typing import Any

from sagemaker.debugger import CollectionConfig, DebuggerHookConfig, ProfilerConfig, ProfilerRule, Rule, rule_configs
from sagemaker.debugger.debugger import TensorBoardOutputConfig
from sagemaker.inputs import TrainingInput
from sagemaker.instance_group import InstanceGroup

from slipway.requests.channels import channel_config
from slipway.training.debugger_request import JOB
from slipway.training.debugger_rules import BuiltInRule, on_tensors

_ACTIONS = "action_json"
# The SDK replaces it when the job is started.
_EVALUATOR = "DEFAULT_RULE_EVALUATOR_IMAGE"


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


def to_sdk(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the SDK's Estimator, with its objects in place of mappings."""
    found = dict(arguments)
    for name, build in (
        ("debugger_hook_config", hook),
        ("profiler_config", RecordedProfilerConfig),
        ("tensorboard_output_config", board),
    ):
        if isinstance(found.get(name), Mapping):
            found[name] = build(found[name])
    if found.get("instance_groups"):
        found["instance_groups"] = [
            InstanceGroup(group["InstanceGroupName"], group["InstanceType"], group["InstanceCount"])
            if isinstance(group, Mapping)
            else group
            for group in found["instance_groups"]
        ]
    return found


def board(configuration: Mapping[str, str]) -> TensorBoardOutputConfig:
    """Convert TensorBoard's configuration."""
    return TensorBoardOutputConfig(configuration["S3OutputPath"], configuration.get("LocalPath"))


def hook(configuration: Mapping[str, Any]) -> DebuggerHookConfig:
    """Convert a hook configuration."""
    return DebuggerHookConfig(
        s3_output_path=configuration.get("S3OutputPath"),
        container_local_output_path=configuration.get("LocalPath"),
        hook_parameters=configuration.get("HookParameters"),
        collection_configs=[
            CollectionConfig(entry["CollectionName"], entry.get("CollectionParameters"))
            for entry in configuration.get("CollectionConfigurations", ())
        ],
    )


def training_input(channel: Any) -> Any:
    """Convert a channel in the form of the API; an address or an object of the SDK is returned as it is."""
    config = channel_config(channel)
    if config is None or config is not channel:
        return channel
    found = TrainingInput("s3://replaced/below")
    found.config = dict(config)
    return found


def rule(entry: Any) -> Any:
    """Convert a rule; an object of the SDK is returned as it is."""
    if not isinstance(entry, BuiltInRule | Mapping):
        return entry
    collections = []
    if isinstance(entry, BuiltInRule):
        # The collections that a rule asked for are in the hook's configuration, where the rule is an earlier job's.
        collections = [CollectionConfig(name, dict(given) or None) for name, given in entry.collections.items()]
        entry = entry.configuration(_EVALUATOR)
    common: dict[str, Any] = {
        "name": entry["RuleConfigurationName"],
        "image_uri": entry["RuleEvaluatorImage"],
        "instance_type": entry.get("InstanceType"),
        "container_local_output_path": entry.get("LocalPath"),
        "s3_output_path": entry.get("S3OutputPath"),
        "volume_size_in_gb": entry.get("VolumeSizeInGB") or None,
        "rule_parameters": dict(entry.get("RuleParameters", {})),
    }
    if not on_tensors(entry):
        return ProfilerRule(**common)
    actions = _actions(common["rule_parameters"].pop(_ACTIONS, ""))
    return Rule(**common, collections_to_save=collections, actions=actions)


def _actions(text: str) -> Any:
    """Rebuild a rule's actions, or return None."""
    found = []
    # The SDK writes the quotation marks with a backslash.
    for action in json.loads(text.replace('\\"', '"')) if text else ():
        if action["name"] == "stoptraining":
            prefix = action.get("training_job_prefix")
            found.append(rule_configs.StopTraining(None if prefix == JOB else prefix))
        else:
            kinds = {"email": rule_configs.Email, "sms": rule_configs.SMS}
            found.append(kinds[action["name"]](action["endpoint"]))
    return rule_configs.ActionList(*found) if found else None
