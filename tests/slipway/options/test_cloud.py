"""The options of every command that starts something on SageMaker arrive in its requests."""

import json
from typing import Any

import pytest

from tests.slipway.sagemaker_account import IMAGE, REGION, ROLE

CPU, GPU = "ml.c7i.xlarge", "ml.g4dn.xlarge"
DATA, MODEL = "s3://my-dogs/dogImages", "s3://my-dogs/jobs/dogs/output/model.tar.gz"
CLOUD = (
    *("--bucket", "outputs-of-dogs", "--subnet", "subnet-1", "--subnet", "subnet-2", "--security-group", "sg-1"),
    *("--network-isolation", "--kms-key", "key", "--tag", "team=dogs"),
)
VPC = {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
TAG = {"Key": "team", "Value": "dogs"}


@pytest.fixture
def requested(slipway_here, tmp_path):
    """Runs a command with --dry-run, and returns the bodies of its requests by their operations."""

    def run(*arguments: object) -> dict[str, dict[str, Any]]:
        named = ("--role", ROLE, "--image", IMAGE, "--region", REGION, "--dry-run")
        done = slipway_here(*arguments, *CLOUD, *named, cwd=tmp_path, env={"XDG_CONFIG_HOME": str(tmp_path)})
        assert done.returncode == 0, done.stderr
        text, found = done.stdout.strip(), {}
        while text:
            value, end = json.JSONDecoder().raw_decode(text)
            found |= {name.partition(":")[2]: body for name, body in value.items()}
            text = text[end:].lstrip()
        return found

    return run


def check_training(job: dict[str, Any], instance_type: str) -> None:
    assert job["VpcConfig"] == VPC
    assert job["EnableNetworkIsolation"] is True
    assert job["OutputDataConfig"] == {"S3OutputPath": "s3://outputs-of-dogs/jobs", "KmsKeyId": "key"}
    # The disks of a GPU instance are its own, and cannot have a user's key.
    resources = job.get("ResourceConfig") or job["HyperParameterTuningResourceConfig"]
    assert resources.get("VolumeKmsKeyId") == (None if instance_type == GPU else "key")
    assert job["StoppingCondition"]["MaxRuntimeInSeconds"] == 1800


@pytest.mark.parametrize("instance_type", [CPU, GPU])
def test_of_training(requested, instance_type):
    made = requested("train", DATA, "--instance-type", instance_type, "--max-run", 1800, "--name", "dogs-1")
    job = made["CreateTrainingJob"]
    assert job["TrainingJobName"] == "dogs-1"
    check_training(job, instance_type)
    assert TAG in job["Tags"]


def test_of_tuning(requested):
    job = requested("tune", DATA, "--instance-type", CPU, "--max-run", 1800, "--name", "dogs-1")[
        "CreateHyperParameterTuningJob"
    ]
    assert job["HyperParameterTuningJobName"] == "dogs-1"
    check_training(job["TrainingJobDefinition"], CPU)
    assert TAG in job["Tags"]


def test_of_a_comparison(requested):
    made = requested("compare", DATA, "--instance-type", CPU, "--max-run", 1800, "--name", "dogs")
    job = made["CreateTrainingJob"]
    assert job["TrainingJobName"].startswith("dogs-resnet152-")
    check_training(job, CPU)
    assert TAG in job["Tags"]


@pytest.mark.parametrize("instance_type", [CPU, GPU])
def test_of_an_endpoint(requested, instance_type):
    made = requested("deploy", MODEL, "--instance-type", instance_type, "--name", "dogs", "--capture", 5)
    assert (made["CreateModel"]["VpcConfig"], made["CreateModel"]["EnableNetworkIsolation"]) == (VPC, True)
    configuration = made["CreateEndpointConfig"]
    assert configuration.get("KmsKeyId") == (None if instance_type == GPU else "key")
    assert configuration["DataCaptureConfig"]["DestinationS3Uri"] == "s3://outputs-of-dogs/jobs/capture/dogs"
    assert configuration["DataCaptureConfig"]["KmsKeyId"] == "key"
    assert all(TAG in made[name]["Tags"] for name in ("CreateModel", "CreateEndpointConfig", "CreateEndpoint"))


def test_of_an_asynchronous_endpoint(requested):
    made = requested("deploy", MODEL, "--instance-type", CPU, "--name", "dogs", "--async")
    outputs = made["CreateEndpointConfig"]["AsyncInferenceConfig"]["OutputConfig"]
    assert (outputs["S3OutputPath"], outputs["KmsKeyId"]) == ("s3://outputs-of-dogs/jobs/async/dogs/output", "key")


@pytest.mark.parametrize("instance_type", [CPU, GPU])
def test_of_a_transform_job(requested, instance_type):
    made = requested("transform", DATA, "--model", MODEL, "--instance-type", instance_type, "--name", "dogs-1")
    assert (made["CreateModel"]["VpcConfig"], made["CreateModel"]["EnableNetworkIsolation"]) == (VPC, True)
    job = made["CreateTransformJob"]
    assert job["TransformJobName"] == "dogs-1"
    assert job["TransformOutput"]["S3OutputPath"].startswith("s3://outputs-of-dogs/jobs/")
    assert job["TransformOutput"]["KmsKeyId"] == "key"
    assert job["TransformResources"].get("VolumeKmsKeyId") == (None if instance_type == GPU else "key")
    assert TAG in job["Tags"]


@pytest.mark.parametrize("command", [("train",), ("tune",), ("compare",), ("transform", "--model", "dogs-job")])
def test_without_an_instance_type_they_are_wrong_usage(slipway_here, colours, command):
    name, *further = command
    done = slipway_here(name, colours, *further, "--kms-key", "key", "--bucket", "my-dogs")
    assert done.returncode == 2
    assert "--bucket, --kms-key are for SageMaker: add --instance-type." in done.stderr


@pytest.mark.parametrize(("command", "most"), [("tune", 32), ("compare", 32), ("train", 63)])
def test_a_name_that_sagemaker_refuses_is_wrong_usage(slipway_here, command, most):
    for name in ("my_dogs", "d" * (most + 1)):
        done = slipway_here(command, DATA, "--instance-type", CPU, "--dry-run", "--name", name)
        assert done.returncode == 2
        assert f"letters, digits and hyphens, {most} at most" in " ".join(done.stderr.split())
