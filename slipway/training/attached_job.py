"""Arguments of `Estimator` that start another job like an earlier one."""

import re
from collections.abc import Mapping
from typing import Any

from slipway.requests.values import without_none
from slipway.training.debugger_request import JOB

CHECKPOINTS = "checkpoints"
"""Name of the folder below a job's outputs in which spot training keeps checkpoints."""


def arguments_of(description: Mapping[str, Any]) -> dict[str, Any]:
    """Build the arguments from a job's description; parts of the request stay in the form of AWS's API.

    Args:
        description: DescribeTrainingJob's answer, or the training jobs' definition of a tuning job.
    """
    algorithm = description["AlgorithmSpecification"]
    registry = algorithm.get("TrainingImageConfig", {})
    outputs = description["OutputDataConfig"]
    vpc = description.get("VpcConfig", {})
    stop = description.get("StoppingCondition", {})
    found = {
        **_instances(description),
        **_spot(description),
        **_debugger(description),
        "role": description["RoleArn"],
        "image_uri": algorithm["TrainingImage"],
        "input_mode": algorithm["TrainingInputMode"],
        "metric_definitions": algorithm.get("MetricDefinitions"),
        "container_entry_point": algorithm.get("ContainerEntrypoint"),
        "container_arguments": algorithm.get("ContainerArguments"),
        "training_repository_access_mode": registry.get("TrainingRepositoryAccessMode"),
        "training_repository_credentials_provider_arn": registry.get("TrainingRepositoryAuthConfig", {}).get(
            "TrainingRepositoryCredentialsProviderArn"
        ),
        "hyperparameters": dict(description.get("HyperParameters", description.get("StaticHyperParameters", {}))),
        "environment": description.get("Environment"),
        "output_path": outputs["S3OutputPath"],
        "output_kms_key": outputs.get("KmsKeyId") or None,
        "disable_output_compression": outputs.get("CompressionType") == "NONE" or None,
        "max_run": stop.get("MaxRuntimeInSeconds"),
        "max_retry_attempts": description.get("RetryStrategy", {}).get("MaximumRetryAttempts"),
        "subnets": vpc.get("Subnets"),
        "security_group_ids": vpc.get("SecurityGroupIds"),
        "enable_network_isolation": description.get("EnableNetworkIsolation"),
        "encrypt_inter_container_traffic": description.get("EnableInterContainerTrafficEncryption"),
        "enable_infra_check": description.get("InfraCheckConfig", {}).get("EnableInfraCheck"),
        "tensorboard_output_config": description.get("TensorBoardOutputConfig"),
    }
    return without_none(found)


def _instances(description: Mapping[str, Any]) -> dict[str, Any]:
    resources = description.get("ResourceConfig") or description["HyperParameterTuningResourceConfig"]
    if configs := resources.get("InstanceConfigs"):
        resources = {**resources, **configs[0]}
    groups = resources.get("InstanceGroups")
    return {
        "instance_type": None if groups else resources["InstanceType"],
        "instance_count": None if groups else resources["InstanceCount"],
        "instance_groups": groups or None,
        "volume_size": resources.get("VolumeSizeInGB"),
        "volume_kms_key": resources.get("VolumeKmsKeyId"),
        "keep_alive_period_in_seconds": resources.get("KeepAlivePeriodInSeconds"),
        "training_plan": resources.get("TrainingPlanArn"),
        "instance_placement_config": resources.get("InstancePlacementConfig"),
    }


def _spot(description: Mapping[str, Any]) -> dict[str, Any]:
    spot = description.get("EnableManagedSpotTraining") or None
    wait = description.get("StoppingCondition", {}).get("MaxWaitTimeInSeconds") if spot else None
    checkpoints = description.get("CheckpointConfig") or {}
    address = str(checkpoints.get("S3Uri", ""))
    job = description.get("TrainingJobName")
    # Slipway's default for that job: the next one must start without its checkpoints.
    if address.endswith(f"/{job}/{CHECKPOINTS}" if job else f"/{CHECKPOINTS}"):
        return {"spot": spot, "max_wait": wait}
    return {
        "use_spot_instances": spot,
        "max_wait": wait,
        "checkpoint_s3_uri": address or None,
        "checkpoint_local_path": checkpoints.get("LocalPath"),
    }


def _debugger(description: Mapping[str, Any]) -> dict[str, Any]:
    profiler = description.get("ProfilerConfig")
    off = bool(profiler and profiler.get("DisableProfiler"))
    rules = [
        _of_the_next_job(rule, str(description.get("TrainingJobName")))
        for kind in ("Debug", "Profiler")
        for rule in description.get(f"{kind}RuleConfigurations", ())
    ]
    return {
        "debugger_hook_config": description.get("DebugHookConfig"),
        "rules": rules or None,
        "profiler_config": None if off else profiler,
        "disable_profiler": off or None,
    }


def _of_the_next_job(rule: Mapping[str, Any], job: str) -> dict[str, Any]:
    """Return a rule whose actions stop the next job where they stopped this one."""
    parameters = dict(rule.get("RuleParameters", {}))
    if actions := parameters.get("action_json"):
        # SDKs write the quotation marks with a backslash.
        parameters["action_json"] = re.sub(
            rf'(training_job_prefix[\\": ]+){re.escape(job)}(?=[\\"])', rf"\g<1>{JOB}", actions
        )
    return {**rule, "RuleParameters": parameters}
