"""The commands for SageMaker need no SDK, no account, no region, no role and no image before they start something."""

import json
import os
import subprocess
import sys

import pytest

ROLE = "arn:aws:iam::111122223333:role/slipway-execution"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/slipway:serve-3f2a"
MODEL = "s3://my-dogs/jobs/dogs/output/model.tar.gz"
NAMED = ("--role", ROLE, "--image", IMAGE, "--region", "eu-west-1")
CPU = "ml.c7i.xlarge"

WITHOUT = """
import sys
from slipway.cli import main
for line in sys.stdin.read().splitlines():
    sys.argv = ["slipway", *line.split()]
    try:
        main()
    except SystemExit as ended:
        print(line, "ended with", ended.code, file=sys.stderr)
assert "sagemaker" not in sys.modules, [name for name in sys.modules if name.startswith("sagemaker")][:5]
assert "torch" not in sys.modules
assert "numpy" not in sys.modules
"""


@pytest.fixture
def nothing(tmp_path, monkeypatch):
    """Neither credentials nor settings; whatever is sent meets a closed port."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "SLIPWAY_")):
            monkeypatch.delenv(name)
    for name, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "XDG_CONFIG_HOME": str(tmp_path),
        "COLUMNS": "500",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_no_command_for_sagemaker_imports_an_sdk(nothing):
    lines = [
        f"deploy {MODEL} --instance-type {CPU} --name dogs --capture 5 --autoscale 1:2 --dry-run {' '.join(NAMED)}",
        "deploy --delete dogs --region eu-west-1 --dry-run",
        "deploy --shift old=1 --name dogs --region eu-west-1 --dry-run",
        f"transform s3://my-dogs/p --model {MODEL} --instance-type {CPU} --dry-run {' '.join(NAMED)}",
        "predict --endpoint dogs - --region eu-west-1",
        "clean --region eu-west-1",
        "endpoints --region eu-west-1",
        "stop dogs --region eu-west-1",
        "download dogs --region eu-west-1",
    ]
    done = subprocess.run([sys.executable, "-c", WITHOUT], input="\n".join(lines), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line.split()[-1] for line in done.stderr.splitlines() if " ended with " in line] == [*"0000", *"33333"]
    assert done.stderr.count("no working AWS credentials") == 5


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        (("deploy", MODEL, "--instance-type", CPU), ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]),
        (("deploy", "dogs-1", "--serverless"), ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]),
        (
            ("transform", "s3://my-dogs/p", "--model", "dogs-1", "--instance-type", CPU),
            ["CreateModel", "CreateTransformJob"],
        ),
    ],
    ids=["deploy", "deploy a job", "transform"],
)
def test_a_dry_run_goes_on_with_placeholders_and_lists_them(slipway_here, nothing, arguments, made):
    done = slipway_here(*arguments, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert [name for name in made if f'"sagemaker:{name}"' in done.stdout] == made
    for text in (
        "us-east-1: no region is named; give --region",
        "arn:aws:iam::111122223333:role/slipway-execution: no execution role is named; give --role",
        "111122223333.dkr.ecr.us-east-1.amazonaws.com/slipway:serve: no serving image is named; give --image",
    ):
        assert text in done.stderr
    if "dogs-1" in arguments:
        assert "jobs/dogs-1/output/model.tar.gz: the model of the job dogs-1 was not looked up" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("deploy", MODEL, "--instance-type", CPU),
        ("transform", "s3://my-dogs/p", "--model", MODEL, "--instance-type", CPU),
    ],
    ids=["deploy", "transform"],
)
def test_without_dry_run_one_message_names_all_that_is_missing(slipway_here, nothing, arguments):
    done = slipway_here(*arguments)
    assert done.returncode == 1
    for text in (
        "no region is named; give --region, region=, SLIPWAY_REGION, AWS_REGION or region in slipway.toml",
        "no execution role is named; give --role, role=, SLIPWAY_ROLE or role in slipway.toml",
        "no serving image is named; give --image, image_uri=, SLIPWAY_SERVE_IMAGE or serve-image in slipway.toml",
    ):
        assert text in done.stderr
    assert done.stderr.count("Error:") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("deploy", MODEL, "--instance-type", CPU, "--name", "my_dogs", "--dry-run"),
        ("deploy", "--delete", "my_dogs"),
        ("predict", "--endpoint", "my_dogs", "dog.jpg"),
    ],
)
def test_a_name_that_sagemaker_refuses_is_wrong_usage(slipway_here, nothing, arguments):
    done = slipway_here(*arguments)
    assert done.returncode == 2
    assert "'my_dogs' cannot be the name of an endpoint: it may have letters, digits and hyphens" in done.stderr


def test_without_credentials_an_endpoint_is_not_waited_for(slipway_here, nothing):
    (nothing / "dog.jpg").write_bytes(b"picture")
    done = slipway_here("predict", "--endpoint", "dogs", "dog.jpg", "--region", "eu-west-1", "--json")
    assert done.returncode == 3
    assert "no working AWS credentials" in done.stderr
    assert not json.loads(done.stdout or "[]")
