"""Arguments of `Estimator` from an earlier training job that the SDK's attach omits."""

from collections.abc import Mapping
from typing import Any

from sagemaker.debugger.debugger import TensorBoardOutputConfig
from sagemaker.instance_group import InstanceGroup

from slipway.attached_debugger import debugger_of

CHECKPOINTS = "checkpoints"
"""Name of the folder below a job's outputs in which spot training keeps checkpoints."""


def as_the_sdk_reads_it(description: Mapping[str, Any]) -> dict[str, Any]:
    """Complete DescribeTrainingJob's answer with what the SDK's attach takes for granted."""
    resources = {"InstanceCount": None, "InstanceType": None, **description["ResourceConfig"]}
    outputs = {"KmsKeyId": "", **description["OutputDataConfig"]}
    return {**description, "ResourceConfig": resources, "OutputDataConfig": outputs}


def forgotten_by_the_sdk(description: Mapping[str, Any]) -> dict[str, Any]:
    """Build the arguments that the SDK's attach does not take from DescribeTrainingJob's answer."""
    found: dict[str, Any] = {
        "metric_definitions": description["AlgorithmSpecification"].get("MetricDefinitions"),
        "volume_kms_key": description["ResourceConfig"].get("VolumeKmsKeyId"),
        "environment": description.get("Environment"),
        **debugger_of(description),
    }
    if groups := description["ResourceConfig"].get("InstanceGroups"):
        found["instance_groups"] = [
            InstanceGroup(group["InstanceGroupName"], group["InstanceType"], group["InstanceCount"]) for group in groups
        ]
    if checkpoints := description.get("CheckpointConfig"):
        if str(checkpoints["S3Uri"]).endswith(f"/{description['TrainingJobName']}/{CHECKPOINTS}"):
            # Slipway's default for that job: the next one must start without its checkpoints.
            found["spot"] = description.get("EnableManagedSpotTraining", False)
        else:
            found["checkpoint_s3_uri"] = checkpoints["S3Uri"]
            found["checkpoint_local_path"] = checkpoints.get("LocalPath")
    if board := description.get("TensorBoardOutputConfig"):
        found["tensorboard_output_config"] = TensorBoardOutputConfig(board["S3OutputPath"], board.get("LocalPath"))
    return found
