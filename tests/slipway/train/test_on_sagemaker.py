"""`slipway train --instance-type`: what is sent, what is shown, and what is refused."""

import json
import os
import subprocess
import sys

import boto3
import pytest

from tests.serve.server_process import REPOSITORY

ROLE = "arn:aws:iam::111122223333:role/slipway-execution"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/slipway:train-3f2a"
ON_SAGEMAKER = ("--instance-type", "ml.g4dn.xlarge", "--role", ROLE)
NO_CREDENTIALS = {
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}


def test_a_dry_run_prints_the_request_and_needs_no_account(slipway_here, tmp_path):
    (tmp_path / "slipway.toml").write_text(f'role = "{ROLE}"\nprofile = "nobody"\nregion = "eu-west-1"\n')
    config = tmp_path / "config"
    config.write_text("[profile nobody]\n")
    options = ("--image", IMAGE, "--epochs", 3, "--spot", "--tag", "team=dogs", "--subnet", "subnet-1")
    rules = ("--rule", "VanishingGradient", "--rule", "low_gpu_utilization", "--debug", "true")
    more = ("--security-group", "sg-1", "--keep-alive", 600, "--tensorboard", "--network-isolation", "--kms-key", "key")
    done = slipway_here(
        "train", "s3://my-dogs/dogImages", "--instance-type", "ml.g4dn.xlarge", "--dry-run", *options, *more, *rules,
        cwd=tmp_path, env={**NO_CREDENTIALS, "AWS_CONFIG_FILE": str(config)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    request = json.loads(done.stdout)["sagemaker:CreateTrainingJob"]
    assert request["HyperParameters"] == {"epochs": "3", "debug": "true"}
    assert request["RoleArn"] == ROLE
    assert request["EnableManagedSpotTraining"] is True
    assert request["EnableNetworkIsolation"] is True
    assert [rule["RuleConfigurationName"] for rule in request["DebugRuleConfigurations"]] == ["VanishingGradient"]
    assert [rule["RuleConfigurationName"] for rule in request["ProfilerRuleConfigurations"]] == ["LowGPUUtilization"]
    assert request["DebugHookConfig"]["S3OutputPath"] == "s3://my-dogs/jobs"
    assert request["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert request["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600
    assert request["OutputDataConfig"] == {"S3OutputPath": "s3://my-dogs/jobs", "KmsKeyId": "key"}
    assert {"Key": "team", "Value": "dogs"} in request["Tags"]
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["train", "validation", "test"]


COMMANDS = (
    ("train", "s3://my-dogs/dogImages", "CreateTrainingJob"),
    ("tune", "s3://my-dogs/dogImages", "CreateHyperParameterTuningJob"),
    ("compare", "s3://my-dogs/dogImages", "CreateTrainingJob"),
)


@pytest.fixture
def nothing(monkeypatch, tmp_path) -> dict[str, str]:
    """A machine where nobody has named anything; the environment for its commands."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "SLIPWAY_ROLE", "SLIPWAY_REGION"):
        monkeypatch.delenv(name, raising=False)
    none = str(tmp_path / "none")
    files = {"AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none, "XDG_CONFIG_HOME": none}
    return {"AWS_EC2_METADATA_DISABLED": "true", **files}


@pytest.mark.parametrize(("command", "data", "operation"), COMMANDS)
def test_a_dry_run_needs_nothing_and_lists_what_it_assumed(slipway_here, nothing, tmp_path, command, data, operation):
    done = slipway_here(command, data, "--instance-type", "ml.g4dn.xlarge", "--dry-run", cwd=tmp_path, env=nothing)
    assert done.returncode == 0, done.stderr
    assert f'"sagemaker:{operation}": ' in done.stdout
    first, *listed = done.stderr.splitlines()
    assert first == "Placeholders stand for what is not named; without --dry-run it is needed:"
    for line, (what, *ways) in zip(
        listed,
        (
            ("us-east-1: no region", "--region", "SLIPWAY_REGION", "region in slipway.toml"),
            ("arn:aws:iam::111122223333:role/slipway-execution: no", "--role", "SLIPWAY_ROLE", "role in slipway.toml"),
            ("111122223333.dkr", "--image", "SLIPWAY_TRAIN_IMAGE", "train-image in slipway.toml"),
        ),
        strict=True,
    ):
        assert line.strip().startswith(what)
        assert all(way in line for way in ways)


@pytest.mark.parametrize(("command", "data", "operation"), COMMANDS)
def test_all_that_is_missing_is_one_message(slipway_here, nothing, tmp_path, command, data, operation):
    done = slipway_here(command, data, "--instance-type", "ml.g4dn.xlarge", cwd=tmp_path, env=nothing)
    assert done.returncode == 1
    region, role, image = done.stderr.splitlines()
    assert region.startswith("Error: no region is named; give --region")
    assert role.startswith("no execution role is named; give --role")
    assert image.startswith("no training image is named; give --image")


def test_the_commands_import_no_sdk_and_no_torch_and_do_without_fcntl(nothing, tmp_path):
    program = """
import json, sys
sys.modules["fcntl"] = None  # as on Windows
from slipway.cli import cli
for command, data, _ in json.loads(sys.argv[1]):
    cli([command, data, "--instance-type", "ml.g4dn.xlarge", "--dry-run"], standalone_mode=False)
print([name for name in ("sagemaker", "torch") if name in sys.modules])
"""
    environment = {**os.environ, **nothing, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", program, json.dumps(COMMANDS)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_a_job_is_started_where_the_data_is_and_followed_to_its_end(aws_account, slipway_here, tmp_path):
    s3 = boto3.client("s3", "eu-west-1")
    s3.create_bucket(Bucket="my-dogs", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for folder in ("train", "valid"):
        s3.put_object(Bucket="my-dogs", Key=f"dogImages/{folder}/poodle/1.png", Body=b"")
    done = slipway_here(
        "train", "s3://my-dogs/dogImages", *ON_SAGEMAKER, "--image", "slipway:train", "--rule", "Overfit", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    [name] = [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("Started the training job")]
    assert f"#/jobs/{name}" in done.stdout
    assert f"s3://my-dogs/jobs/{name}/output/model.tar.gz" in done.stdout
    assert f"Next: slipway deploy {name}" in done.stdout
    for line in (
        f"  tensors  s3://my-dogs/jobs/{name}/debug-output",
        "  rule     Overfit: waiting",
        f"Next: slipway debug s3://my-dogs/jobs/{name}/debug-output",
    ):
        assert line in done.stdout.splitlines()
    job = boto3.client("sagemaker", "eu-west-1").describe_training_job(TrainingJobName=name)
    places = {
        channel["ChannelName"]: channel["DataSource"]["S3DataSource"]["S3Uri"] for channel in job["InputDataConfig"]
    }
    assert places == {"train": "s3://my-dogs/dogImages/train", "validation": "s3://my-dogs/dogImages/valid"}


@pytest.mark.parametrize(
    ("channel", "image", "message"),
    [
        ("s3://nobodys/train", "slipway:train", "there is no bucket nobodys"),
        ("s3://my-dogs/elsewhere", "slipway:train", "nothing is there; upload data with slipway data upload"),
        ("s3://my-dogs/dogImages/train", IMAGE, f"there is no image {IMAGE} in ECR"),
    ],
)
def test_what_is_not_there_is_said_before_a_job_is_started(
    aws_account, slipway_here, tmp_path, channel, image, message
):
    s3 = boto3.client("s3", "eu-west-1")
    s3.create_bucket(Bucket="my-dogs", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="my-dogs", Key="dogImages/train/poodle/1.png", Body=b"")
    done = slipway_here("train", "--train", channel, *ON_SAGEMAKER, "--image", image, cwd=tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert boto3.client("sagemaker", "eu-west-1").list_training_jobs()["TrainingJobSummaries"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("s3://my-dogs/dogImages",), "add --instance-type"),
        (("dogs", "--dry-run"), "add --instance-type"),
        (("dogs", "--rule", "Overfit"), "add --instance-type"),
        (("dogs", "--instance-type", "local", "--dry-run"), "local mode makes none"),
        (("dogs", "--instance-type", "local", "--spot", "--tag", "a=b"), "it has no --spot, --tag"),
        ((*ON_SAGEMAKER, "--image", IMAGE, "--job-dir", "job"), "--job-dir is for jobs on this machine"),
        ((*ON_SAGEMAKER, "--image", IMAGE), "Name the data"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(slipway_here, tmp_path, arguments, message):
    done = slipway_here("train", *arguments, cwd=tmp_path, env=NO_CREDENTIALS)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())


def test_a_tag_without_a_value_is_refused(slipway_here, tmp_path):
    done = slipway_here("train", "s3://my-dogs/d", *ON_SAGEMAKER, "--tag", "team", cwd=tmp_path, env=NO_CREDENTIALS)
    assert done.returncode == 1
    assert "--tag is 'team'; write it like --tag team=dogs" in done.stderr
