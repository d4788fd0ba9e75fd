"""The settings of an earlier training job, as arguments of `Estimator`: what the SDK's attach leaves out."""

from collections.abc import Mapping
from typing import Any

from sagemaker.debugger.debugger import TensorBoardOutputConfig
from sagemaker.instance_group import InstanceGroup

from slipway.attached_debugger import debugger_of

CHECKPOINTS = "checkpoints"
"""Below a job's outputs, where spot training keeps them."""


def as_the_sdk_reads_it(description: Mapping[str, Any]) -> dict[str, Any]:
    """DescribeTrainingJob's answer with everything in it that the SDK's attach takes for granted."""
    resources = {"InstanceCount": None, "InstanceType": None, **description["ResourceConfig"]}
    outputs = {"KmsKeyId": "", **description["OutputDataConfig"]}
    return {**description, "ResourceConfig": resources, "OutputDataConfig": outputs}


def forgotten_by_the_sdk(description: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the SDK's attach does not make of DescribeTrainingJob's answer."""
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
            # Ours, of that job: the next one shall begin anew.
            found["spot"] = description.get("EnableManagedSpotTraining", False)
        else:
            found["checkpoint_s3_uri"] = checkpoints["S3Uri"]
            found["checkpoint_local_path"] = checkpoints.get("LocalPath")
    if board := description.get("TensorBoardOutputConfig"):
        found["tensorboard_output_config"] = TensorBoardOutputConfig(board["S3OutputPath"], board.get("LocalPath"))
    return found
