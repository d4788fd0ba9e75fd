"""`slipway train --instance-type`: what is sent, what is shown, and what is refused."""

import json
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest

from slipway.errors import RemoteJobError
from slipway.local_mode import local_job

ROLE = "arn:aws:iam::111122223333:role/slipway-execution"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/slipway:train-3f2a"
ON_SAGEMAKER = ("--instance-type", "ml.g4dn.xlarge", "--role", ROLE)
NO_CREDENTIALS = {
    "AWS_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
}


def test_a_dry_run_prints_the_request_and_needs_no_account(slipway, tmp_path):
    (tmp_path / "slipway.toml").write_text(f'role = "{ROLE}"\nprofile = "nobody"\nregion = "eu-west-1"\n')
    config = tmp_path / "config"
    config.write_text("[profile nobody]\n")
    options = ("--image", IMAGE, "--epochs", 3, "--spot", "--tag", "team=dogs", "--subnet", "subnet-1")
    rules = ("--rule", "VanishingGradient", "--rule", "low_gpu_utilization", "--debug", "true")
    more = ("--security-group", "sg-1", "--keep-alive", 600, "--tensorboard", "--network-isolation", "--kms-key", "key")
    done = slipway(
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


def test_a_job_is_started_where_the_data_is_and_followed_to_its_end(aws_account, slipway, tmp_path):
    s3 = boto3.client("s3", "eu-west-1")
    s3.create_bucket(Bucket="my-dogs", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    for folder in ("train", "valid"):
        s3.put_object(Bucket="my-dogs", Key=f"dogImages/{folder}/poodle/1.png", Body=b"")
    done = slipway(
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


def fail_in_local_mode(root: Path, output: str, shown: list[str], failure: str | None = None) -> None:
    """A job in local mode whose container fails, with what the SDK prints and leaves then."""
    session = SimpleNamespace(config={"local": {"container_root": str(root)}})
    with local_job(session, "dogs", "", shown.append):
        sys.stdout.write(output)
        if failure is not None:
            outputs = root / "job" / "compressed_artifacts"
            outputs.mkdir(parents=True)
            (root / "failure").write_text(failure)
            with tarfile.open(outputs / "output.tar.gz", "w:gz") as archive:
                archive.add(root / "failure", "failure")
        raise RuntimeError("docker-compose: exit code 1")


def test_the_failure_file_is_what_local_mode_says_too(tmp_path):
    shown: list[str] = []
    output = "Attaching to algo-1\n\x1b[36malgo-1-xyz |\x1b[0m EVAL: Average loss: 1.0\r\n"
    with pytest.raises(RemoteJobError, match=r"dogs failed in local mode: DataError: no pictures$"):
        fail_in_local_mode(tmp_path, output, shown, "DataError: no pictures\n\nTraceback …")
    assert shown == ["EVAL: Average loss: 1.0"]


def test_without_a_failure_file_docker_has_the_word(tmp_path):
    with pytest.raises(RemoteJobError, match=r"pull access denied .*exit code 1"):
        fail_in_local_mode(tmp_path, "ERROR: pull access denied for slipway\n", [])
