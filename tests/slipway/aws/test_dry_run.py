"""What a dry run shows and what it never does."""

import json
import socket

import pytest

from slipway.aws.connection import Aws
from slipway.aws.dry_run import ACCOUNT, DryRun
from slipway.aws.session import aws_session
from slipway.errors import CredentialsError, SettingError


@pytest.fixture
def aws(tmp_path, monkeypatch):
    """Without credentials; whatever is sent after all meets a closed port."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    return Aws("eu-west-1", None)


def test_requests_are_kept_and_not_sent(aws):
    dry_run = DryRun()
    dry_run.attach(aws)
    answer = aws.service("sagemaker").call(
        "CreateModel", ModelName="dogs", ExecutionRoleArn="arn:aws:iam::111122223333:role/slipway"
    )
    assert answer["ModelArn"].startswith("arn:aws:")
    [request] = dry_run.requests
    assert json.loads(str(request)) == {
        "sagemaker:CreateModel": {
            "ModelName": "dogs",
            "ExecutionRoleArn": "arn:aws:iam::111122223333:role/slipway",
        }
    }


def test_a_request_that_would_be_malformed_fails(aws):
    DryRun().attach(aws)
    with pytest.raises(SettingError, match=r"sagemaker:CreateModel: .*Missing required parameter.*ModelName"):
        aws.service("sagemaker").call("CreateModel")


def test_reading_is_answered_and_not_shown_among_what_would_change(aws):
    dry_run = DryRun(answers={"DescribeModel": {"ModelName": "dogs"}})
    dry_run.attach(aws)
    sagemaker = aws.service("sagemaker")
    assert sagemaker.call("DescribeModel", ModelName="dogs")["ModelName"] == "dogs"
    assert aws.service("sts").call("GetCallerIdentity")["Account"] == ACCOUNT
    assert [request.operation for request in dry_run.requests] == ["DescribeModel", "GetCallerIdentity"]
    assert dry_run.writes == []


def test_a_passing_operation_is_really_made(aws):
    dry_run = DryRun(passing=("DescribeModel",))
    dry_run.attach(aws)
    with pytest.raises(CredentialsError):
        aws.service("sagemaker").call("DescribeModel", ModelName="dogs")
    assert dry_run.requests == []


def test_the_sdk_goes_through_it_too_and_uploads_show_their_size(aws):
    dry_run = DryRun()
    session = aws_session(aws, dry_run)
    session.upload_string_as_file_body("hello", "my-dogs", "notes.txt")
    session.boto_session.client("s3").put_object(Bucket="my-dogs", Key="a.png", Body=b"12345")
    keys = [(request.operation, request.parameters["Key"]) for request in dry_run.writes]
    assert keys == [("PutObject", "notes.txt"), ("PutObject", "a.png")]
    assert json.loads(str(dry_run.writes[-1]))["s3:PutObject"]["Body"] == "<5 bytes>"
