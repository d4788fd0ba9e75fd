"""The policies of docs/iam.md: what AWS takes, and what the commands call."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest

from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.permissions import POLICY_ACTIONS, REPOSITORY_ACTIONS, TOKEN_ACTION
from slipway.clean import Selection, delete, find
from slipway.clean.find import READS
from slipway.clean.resource import ORDER, Resource
from slipway.transform.jobs import PlannedJob, dry_run
from slipway.upload.content import PART_BYTES
from slipway.upload.transfer import Upload, destination

PAGE = (Path(__file__).parents[2] / "docs" / "iam.md").read_text()
POLICIES = {
    name: json.loads(text) for name, text in re.findall(r"<!-- policy: (\w+) -->\n```json\n(.*?)```", PAGE, re.S)
}
REGION = "eu-west-1"
ROLE = "arn:aws:iam::111122223333:role/slipway-execution"

# Where an action has another name than the operation, or none of its own.
ACTIONS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
}


def actions(policy):
    found = []
    for statement in POLICIES[policy]["Statement"]:
        named = statement["Action"]
        found += [named] if isinstance(named, str) else named
    return found


def needed(recorded):
    names = {f"{request.service}:{request.operation}" for request in recorded.requests}
    return {ACTIONS.get(name, name) for name in names}


def test_the_policies_are_those_and_hold_no_wildcard():
    assert sorted(POLICIES) == ["execution", "trust", "user"]
    for policy in ("execution", "user"):
        assert not [action for action in actions(policy) if "*" in action]


def test_iam_takes_them(aws_account):
    iam = boto3.client("iam", region_name=REGION)
    iam.create_role(RoleName="slipway-execution", AssumeRolePolicyDocument=json.dumps(POLICIES["trust"]))
    for name in ("execution", "user"):
        created = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(POLICIES[name]))
        assert created["Policy"]["PolicyName"] == name
        # IAM's limits, which count no white space: of a managed policy, and of a role's inline policies.
        assert len(json.dumps(POLICIES[name], separators=(",", ":"))) < {"user": 6144, "execution": 10240}[name]


def test_only_sagemaker_for_this_account_takes_the_role_on_and_the_user_passes_it_to_nothing_else():
    [trust] = POLICIES["trust"]["Statement"]
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}
    [role] = [part for part in POLICIES["user"]["Statement"] if part["Action"] == "iam:PassRole"]
    assert role["Condition"] == {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    assert role["Resource"] == ROLE


def test_pushing_is_covered():
    assert {TOKEN_ACTION, *REPOSITORY_ACTIONS} <= set(actions("user"))
    assert all(f"`{action}`" in PAGE for action in POLICY_ACTIONS)


def test_uploading_is_covered(tmp_path):
    for name, size in (("1.jpg", 1), ("2.jpg", 1), ("weights.pth", PART_BYTES + 1)):
        (tmp_path / name).write_bytes(b"0" * size)
    aws = Aws(REGION, None)
    there = {"Contents": [{"Key": "dogImages/1.jpg", "Size": 1}]}
    recorded = DryRun(
        answers={"ListObjectsV2": there, "CreateMultipartUpload": {"UploadId": "u"}, "UploadPart": {"ETag": "e"}}
    )
    recorded.attach(aws)
    Upload(tmp_path, destination("s3://my-dogs"), aws).run()
    assert {"s3:ListBucket", "s3:GetObject", "s3:PutObject"} <= needed(recorded) <= set(actions("user"))


def test_batch_transform_is_covered(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    recorded = dry_run()
    job = PlannedJob(
        pictures="s3://my-dogs/dogImages/test",
        model="s3://my-dogs/jobs/dogs/output/model.tar.gz",
        instance_type="ml.c7i.xlarge",
        role=ROLE,
        image="111122223333.dkr.ecr.eu-west-1.amazonaws.com/slipway:serve",
        region=REGION,
    )
    with job.transformer(recorded) as transformer:
        transformer.transform(job.pictures, wait=False)
    assert {"sagemaker:CreateModel", "sagemaker:CreateTransformJob"} <= needed(recorded) <= set(actions("user"))


@pytest.mark.parametrize("operation", READS)
def test_finding_what_to_clean_is_covered(operation):
    names = {f"{service}:{operation}" for service in ("sagemaker", "logs", "s3", "application-autoscaling")}
    assert {ACTIONS.get(name, name) for name in names} & set(actions("user"))


def test_cleaning_is_covered():
    aws = Aws(REGION, None)
    recorded = DryRun(answers={"ListObjectsV2": {"Contents": [{"Key": "jobs/dogs/a", "Size": 1}]}})
    recorded.attach(aws)
    find(aws, Selection())
    parameters = {
        "running job": {"stem": "TransformJob", "TransformJobName": "dogs"},
        "scaling target": {
            "ServiceNamespace": "sagemaker",
            "ResourceId": "endpoint/dogs/variant/AllTraffic",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        },
        "endpoint": {"EndpointName": "dogs"},
        "endpoint configuration": {"EndpointConfigName": "dogs"},
        "model": {"ModelName": "dogs"},
        "log group": {"logGroupName": "dogs"},
        "log stream": {"logGroupName": "dogs", "logStreamName": "dogs"},
        "output": {"Bucket": "my-dogs", "Prefix": "jobs/dogs/"},
    }
    created = datetime.now(UTC)
    every = [Resource(kind=kind, name="dogs", created=created, parameters=parameters[kind]) for kind in ORDER]
    assert delete(aws, every[:-1], lambda resource: None) == []
    assert needed(recorded) <= set(actions("user"))
    assert "s3:DeleteObject" in actions("user")
