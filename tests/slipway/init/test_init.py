"""`slipway init` against moto's account: what it creates, and what it leaves alone."""

import json
import tomllib
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber

from slipway.aws.connection import Service
from slipway.aws.policies import Place, execution_policy
from slipway.errors import SettingError
from slipway.init.bucket import plan_bucket

ACCOUNT = "123456789012"
REGION = "eu-west-1"
ROLE = "slipway-execution"
OTHERS = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}
)
ROOT = Path(__file__).parents[3]


@pytest.fixture
def here(aws_account, monkeypatch, tmp_path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)  # boto3, which does not read AWS_REGION
    return tmp_path


def role_policy(name: str = "slipway"):
    return boto3.client("iam").get_role_policy(RoleName=ROLE, PolicyName=name)["PolicyDocument"]


def test_a_newcomer_gets_bucket_role_and_settings(here, slipway_here):
    done = slipway_here("init", "--bucket", "my-dogs", "--yes")
    assert done.returncode == 0, done.stderr
    s3 = boto3.client("s3")
    assert s3.get_bucket_location(Bucket="my-dogs")["LocationConstraint"] == REGION
    assert all(s3.get_public_access_block(Bucket="my-dogs")["PublicAccessBlockConfiguration"].values())
    [rule] = s3.get_bucket_encryption(Bucket="my-dogs")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    [trust] = boto3.client("iam").get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert role_policy() == execution_policy(Place(account=ACCOUNT, region=REGION, bucket="my-dogs"))
    assert tomllib.loads(Path("slipway.toml").read_text()) == {
        "region": REGION,
        "role": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}",
        "bucket": "my-dogs",
    }


def test_json_says_what_is_there_and_what_was_created(here, slipway_here):
    done = slipway_here("init", "--bucket", "my-dogs", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["account"], found["region"], found["bucket"]) == (ACCOUNT, REGION, "my-dogs")
    assert found["role"] == f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    assert len(found["created"]) >= 3
    assert "slipway doctor" in found["next"]


def test_a_second_run_finds_everything_and_changes_nothing(here, slipway_here):
    slipway_here("init", "--bucket", "my-dogs", "--yes")
    before = Path("slipway.toml").read_bytes()
    again = slipway_here("init", "--bucket", "my-dogs")
    assert again.returncode == 0, again.stderr
    assert "Nothing is missing" in again.stdout
    assert Path("slipway.toml").read_bytes() == before


def test_in_the_region_that_takes_no_location_too(here, slipway_here):
    done = slipway_here("init", "--region", "us-east-1", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"slipway-{ACCOUNT}-us-east-1" in [entry["Name"] for entry in boto3.client("s3").list_buckets()["Buckets"]]


def test_without_a_confirmation_nothing_is_created(here, slipway_here, monkeypatch):
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: "n")
    done = slipway_here("init", "--bucket", "my-dogs")
    assert done.returncode == 1
    assert "Nothing was changed" in done.stdout
    assert boto3.client("s3").list_buckets()["Buckets"] == []
    assert not Path("slipway.toml").exists()


def test_an_interrupted_run_is_finished(here, slipway_here):
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    boto3.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust)
    done = slipway_here("init", "--bucket", "my-dogs", "--yes")
    assert "without a policy" in done.stdout
    assert role_policy()["Statement"][0]["Resource"] == "arn:aws:s3:::my-dogs"


def test_the_policy_follows_to_another_bucket(here, slipway_here):
    slipway_here("init", "--bucket", "my-dogs", "--yes")
    done = slipway_here("init", "--bucket", "my-cats", "--yes")
    assert role_policy()["Statement"][0]["Resource"] == "arn:aws:s3:::my-cats"
    assert "bucket = 'my-dogs', which stays" in done.stdout


def test_a_role_with_policies_of_others_is_used_as_it_is(here, slipway_here):
    iam = boto3.client("iam")
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
    iam.put_role_policy(RoleName=ROLE, PolicyName="ours", PolicyDocument=OTHERS)
    done = slipway_here("init", "--bucket", "my-dogs", "--yes")
    assert "is used as it is" in done.stdout
    assert iam.list_role_policies(RoleName=ROLE)["PolicyNames"] == ["ours"]


def test_a_settings_file_keeps_what_it_has_and_gets_what_it_lacks(here, slipway_here):
    text = '# ours\nrole = "arn:aws:iam::123456789012:role/theirs"\n\n[train]\nepochs = 3\n'
    Path("slipway.toml").write_text(text)
    done = slipway_here("init", "--bucket", "my-dogs", "--yes")
    assert "role/theirs', which stays" in done.stdout
    written = Path("slipway.toml").read_text()
    assert written.endswith(text)
    assert tomllib.loads(written) == {
        "region": REGION,
        "bucket": "my-dogs",
        "role": "arn:aws:iam::123456789012:role/theirs",
        "train": {"epochs": 3},
    }


@pytest.mark.parametrize(
    "refused", [[("head_bucket", "403")], [("head_bucket", "404"), ("create_bucket", "BucketAlreadyExists")]]
)
def test_a_bucket_of_somebody_else_is_an_error(aws_account, refused):
    """Answered by botocore's stub, since moto lets everybody look into every account's buckets."""
    client = boto3.client("s3", region_name=REGION)
    with Stubber(client) as stub:
        for operation, code in refused:
            stub.add_client_error(operation, code)
        with pytest.raises(SettingError, match="somebody else has this one"):
            _create_bucket(Service("s3", client), "taken")


def _create_bucket(s3: Service, name: str) -> None:
    _, [(_, create)] = plan_bucket(s3, Place(account=ACCOUNT, region=REGION, bucket=name))
    create()


def test_a_bucket_in_another_region_is_an_error(here, slipway_here):
    boto3.client("s3", region_name="us-west-2").create_bucket(
        Bucket="far", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    done = slipway_here("init", "--bucket", "far", "--yes")
    assert done.returncode == 1
    assert "is in us-west-2" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--bucket", "My_Dogs"], "is not an S3 address"),
        (["--role-name", "arn:aws:iam::1:role/a"], "not a role's name"),
    ],
)
def test_a_name_that_aws_would_refuse_is_an_error(here, slipway_here, arguments, reason):
    done = slipway_here("init", *arguments, "--yes")
    assert done.returncode == 1
    assert reason in done.stderr


def test_a_dry_run_needs_nothing_and_shows_every_request(slipway, monkeypatch, tmp_path):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    nothing = {"AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none", "PYTHONPATH": str(ROOT)}
    done = slipway("init", "--dry-run", cwd=tmp_path, env={**nothing, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert done.returncode == 0, done.stderr
    calls = ["CreateBucket", "PutPublicAccessBlock", "PutBucketEncryption", "CreateRole", "PutRolePolicy"]
    places = [done.stdout.index(f":{call}") for call in calls]
    assert places == sorted(places)
    assert "placeholders: 111122223333 for your account, us-east-1 for your region" in done.stdout
    assert list(tmp_path.iterdir()) == []
