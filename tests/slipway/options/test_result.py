"""`--json` where something is started: one JSON object on the standard output, the rest on the standard error."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from slipway.options.result import result
from tests.slipway.aws.test_refusals import answering

ROOT = Path(__file__).parents[3]

ROLE = "arn:aws:iam::111122223333:role/slipway-execution"
MODEL = "s3://my-dogs/jobs/dogs/output/model.tar.gz"
REGION = "eu-west-1"
CPU = "ml.c7i.xlarge"


@pytest.mark.parametrize(
    ("arguments", "operation"),
    [
        (("train", "s3://my-dogs/dogImages", "--instance-type", "ml.g4dn.xlarge"), "CreateTrainingJob"),
        (("deploy", MODEL, "--instance-type", CPU), "CreateEndpoint"),
        (("transform", "s3://my-dogs/p", "--model", MODEL, "--instance-type", CPU), "CreateTransformJob"),
    ],
    ids=["train", "deploy", "transform"],
)
def test_a_dry_run_has_the_requests_and_the_placeholders(slipway_here, nobody, arguments, operation):
    done = slipway_here(*arguments, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert f"sagemaker:{operation}" in found["requests"][-1]
    assert "no execution role is named" in found["placeholders"][ROLE]


@pytest.fixture
def data(aws_account, monkeypatch, tmp_path):
    """Pictures and a model in the account's bucket, and no settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket="my-dogs", CreateBucketConfiguration={"LocationConstraint": REGION})
    for key in ("dogImages/train/poodle/1.jpg", "dogImages/valid/poodle/2.jpg", "jobs/dogs/output/model.tar.gz"):
        s3.put_object(Bucket="my-dogs", Key=key, Body=b"content")
    return ("--role", ROLE, "--image", "docker.io/slipway:test")


def test_a_training_job_has_its_name_its_addresses_and_what_comes_next(data, slipway_here):
    done = slipway_here(
        "train", "s3://my-dogs/dogImages", "--instance-type", CPU, "--name", "dogs", "--no-wait", "--json", *data
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["job"], found["status"]) == ("dogs", "InProgress")
    assert found["arn"].endswith(":training-job/dogs")
    assert found["console"].endswith("#/jobs/dogs")
    assert found["next"] == ["slipway logs dogs --follow", "slipway jobs"]
    assert "Started the training job dogs" in done.stderr


def test_an_endpoint_has_its_name_its_addresses_and_what_deletes_it(data, slipway_here):
    done = slipway_here("deploy", MODEL, "--instance-type", "ml.c5.xlarge", "--name", "dogs", "--json", *data)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["endpoint"], found["status"]) == ("dogs", "InService")
    assert found["arn"].endswith(":endpoint/dogs")
    assert found["next"] == ["slipway predict --endpoint dogs PICTURE", "slipway deploy --delete dogs"]
    gone = json.loads(slipway_here("deploy", "--delete", "dogs", "--json").stdout)
    assert gone["endpoint"] == "dogs"
    assert "endpoint dogs" in gone["deleted"]


def test_what_was_started_is_printed_also_where_waiting_for_it_fails(capsys):
    def waiting() -> None:
        with result(as_json=True) as answer:
            answer.add(job="dogs", test=None)
            answer.place("console", "https://dogs")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        waiting()
    said = capsys.readouterr()
    assert json.loads(said.out) == {"job": "dogs", "console": "https://dogs"}
    assert said.err == "  console  https://dogs\n"


def test_without_json_the_lines_are_on_the_standard_output(capsys):
    with result(as_json=False) as answer:
        answer.place("model", "model.tar.gz")
        answer.next("slipway serve model.tar.gz", "slipway predict PICTURE", between=", and in another terminal: ")
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "  model    model.tar.gz",
        "Next: slipway serve model.tar.gz, and in another terminal: slipway predict PICTURE",
    ]
    assert said.err == ""


def test_ctrl_c_while_waiting_says_what_still_runs_and_prints_the_job(data, monkeypatch):
    running = {"TrainingJobArn": "arn:dogs", "TrainingJobName": "dogs", "TrainingJobStatus": "InProgress"}
    command = ["train", "s3://my-dogs/dogImages", "--instance-type", CPU, "--name", "dogs", "--json", *data]
    with answering((200, running)) as address:
        environment = {**os.environ, "AWS_ENDPOINT_URL_SAGEMAKER": address, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            [sys.executable, "-m", "slipway", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            assert process.stderr
            started = next(line for line in process.stderr if "console" in line)
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate()
    assert "#/jobs/dogs" in started
    assert process.returncode == 130, errors
    assert "the training job dogs still runs and costs money" in errors
    assert "slipway stop dogs" in errors
    assert json.loads(out)["job"] == "dogs"
