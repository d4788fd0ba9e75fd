"""The policies of docs/iam.md: what AWS takes, and what the commands call."""

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from sagemaker.async_inference import AsyncInferenceConfig
from sagemaker.serverless import ServerlessInferenceConfig

from slipway import Estimator, Model, Predictor, Tuner
from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.jobs import list_jobs
from slipway.aws.permissions import POLICY_ACTIONS, REPOSITORY_ACTIONS, TOKEN_ACTION
from slipway.aws.policies import SETUP_ACTIONS, Place, execution_policy, trust_policy, user_policy
from slipway.clarify import ImageExplanation
from slipway.clean.delete import delete
from slipway.clean.find import READS, Selection, find
from slipway.clean.resource import ORDER, Resource
from slipway.compare import make_variants
from slipway.compare.remote import run_remotely
from slipway.datasets.s3_channels import find_s3_channels
from slipway.doctor.account import Account, check_bucket
from slipway.doctor.quotas import check_quotas
from slipway.doctor.role import check_execution_role
from slipway.errors import RemoteJobError
from slipway.hosting.autoscaling import Autoscaling
from slipway.hosting.multi_model import MultiModel
from slipway.hosting.rollout import Rollout, shift_traffic
from slipway.hosting.variants import ProductionVariant, deploy_variants
from slipway.init.plan import Wanted, make_plan
from slipway.logs.job_logs import job_source, log_lines
from slipway.requests.missing import Missing
from slipway.transform.jobs import PlannedJob, dry_run
from slipway.upload.content import PART_BYTES
from slipway.upload.transfer import Upload, destination
from tests.slipway.sagemaker_account import IMAGE, ROLE, DryAccount, logged

PAGE = (Path(__file__).parents[3] / "docs" / "iam.md").read_text()
POLICIES = {
    name: json.loads(text) for name, text in re.findall(r"<!-- policy: (\w+) -->\n```json\n(.*?)```", PAGE, re.S)
}
REGION = "eu-west-1"
TRAIN = {"train": "s3://my-dogs/dogImages/train", "validation": "s3://my-dogs/dogImages/valid"}
ADDRESS = "s3://my-dogs/jobs/dogs/output/model.tar.gz"
CPU, GPU = "ml.c7i.xlarge", "ml.g4dn.xlarge"
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

# Where an action has another name than the operation, or none of its own.
ACTIONS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:CopyObject": "s3:PutObject",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "service-quotas:ListServiceQuotas": "servicequotas:ListServiceQuotas",
}


def actions(policy):
    found = []
    for statement in POLICIES[policy]["Statement"]:
        named = statement["Action"]
        found += [named] if isinstance(named, str) else named
    return found


def needed(recorded):
    services = {"sagemaker-runtime": "sagemaker"}
    names = {f"{services.get(made.service, made.service)}:{made.operation}" for made in recorded.requests}
    return {ACTIONS.get(name, name) for name in names}


@pytest.fixture
def account(account, monkeypatch) -> DryAccount:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    return account


def estimator(account: DryAccount, **more) -> Estimator:
    return Estimator(ROLE, GPU, image_uri=IMAGE, sagemaker_session=account.session, **more)


def model(account: DryAccount) -> Model:
    return Model(ADDRESS, ROLE, IMAGE, sagemaker_session=account.session)


TRAINED = {
    "TrainingJobName": "dogs",
    "TrainingJobStatus": "Completed",
    "ModelArtifacts": {"S3ModelArtifacts": ADDRESS},
    "OutputDataConfig": {"S3OutputPath": "s3://my-dogs/jobs"},
    "ResourceConfig": {"InstanceType": GPU, "InstanceCount": 1},
    "BillableTimeInSeconds": 60,
}


CHANNELS = {"CommonPrefixes": [{"Prefix": "dogImages/train/"}], "KeyCount": 1}


def test_the_policies_are_those_and_hold_no_wildcard():
    assert sorted(POLICIES) == ["execution", "trust", "user"]
    for policy in ("execution", "user"):
        assert not [action for action in actions(policy) if "*" in action]


def test_they_are_those_that_init_sets_up_and_doctor_checks():
    place = Place(account="111122223333", region=REGION, bucket="my-dogs")
    assert POLICIES["trust"] == trust_policy(place.account)
    assert POLICIES["execution"] == execution_policy(place)
    assert POLICIES["user"] == user_policy(place)
    assert all(f"`{action}`" in PAGE for action in SETUP_ACTIONS)


def test_iam_takes_them(aws_account):
    iam = boto3.client("iam", region_name=REGION)
    iam.create_role(RoleName="slipway-execution", AssumeRolePolicyDocument=json.dumps(POLICIES["trust"]))
    for name in ("execution", "user"):
        created = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(POLICIES[name]))
        assert created["Policy"]["PolicyName"] == name
        # IAM's limits, which count no white space: of a managed policy, and of a role's inline policies.
        assert len(json.dumps(POLICIES[name], separators=(",", ":"))) < {"user": 6144, "execution": 10240}[name]


def test_only_sagemaker_for_this_account_assumes_the_role_that_the_user_passes():
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
    job.transformer(Missing(dry_run=True), recorded).transform(job.pictures, wait=False)
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


def test_training_and_its_log_are_covered(account):
    account.answer(DescribeTrainingJob=TRAINED, ListObjectsV2=CHANNELS, **logged("Epoch 1"))
    find_s3_channels(account.session, "s3://my-dogs/dogImages")
    trained = estimator(account, debug=True, rules=["Overfit", "ProfilerReport"])
    trained.fit(TRAIN)
    assert None not in (trained.cost, trained.debugger_outputs())
    wanted = {"sagemaker:CreateTrainingJob", "sagemaker:DescribeTrainingJob", "logs:GetLogEvents", "s3:ListBucket"}
    assert wanted | {"ecr:DescribeImages"} <= needed(account.recorded) <= set(actions("user"))


def test_tuning_is_covered(account):
    account.answer(
        DescribeHyperParameterTuningJob={
            "HyperParameterTuningJobStatus": "Completed",
            "HyperParameterTuningJobConfig": {
                "Strategy": "Bayesian",
                "HyperParameterTuningJobObjective": {"MetricName": "eval_loss_epoch", "Type": "Minimize"},
            },
        }
    )
    tuner = Tuner(estimator(account))
    tuner.fit(TRAIN, wait=False)
    assert tuner.tuning().trials == []
    made = {f"sagemaker:{operation}HyperParameterTuningJob" for operation in ("Create", "ListTrainingJobsFor")}
    assert made <= needed(account.recorded) <= set(actions("user"))


def test_comparing_is_covered(account):
    account.answer(DescribeTrainingJob=TRAINED, GetObject={"Body": io.BytesIO(b"no archive")})
    variants = make_variants({"model-type": ["resnet18", "resnet34"]}, {})
    with pytest.raises(RemoteJobError, match="every job of the comparison failed"):
        run_remotely(
            variants,
            lambda variant, job: estimator(account).fit(TRAIN, wait=False, job_name=job),
            account.session,
            max_parallel=1,
            say=lambda line: None,
        )
    assert {"sagemaker:CreateTrainingJob", "s3:GetObject"} <= needed(account.recorded) <= set(actions("user"))


def deploy_variants_of(account: DryAccount) -> None:
    both = [ProductionVariant(name=name, model=model(account), instance_type=GPU) for name in ("old", "new")]
    deploy_variants(both, endpoint_name="dogs", capture_percent=5, bucket="my-dogs")
    account.answer(DescribeEndpoint={"ProductionVariants": [{"VariantName": "old"}, {"VariantName": "new"}]})
    shift_traffic(account.session, "dogs", {"new": 3})


def deploy_many_models(account: DryAccount) -> None:
    many = MultiModel("s3://my-dogs/breeds", ROLE, IMAGE, sagemaker_session=account.session)
    account.answer(HeadObject={"ContentLength": 1, "ETag": "e"})
    many.add_model(ADDRESS)
    Path("here.tar.gz").write_bytes(b"model")
    many.add_model("here.tar.gz")
    many.deploy(instance_type=CPU)
    assert list(many.list_models()) == []


def leave_a_picture(account: DryAccount) -> None:
    account.answer(
        DescribeEndpointConfig={"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://my-dogs/jobs/output"}}},
        DescribeEndpoint={"EndpointConfigName": "dogs"},
        InvokeEndpointAsync={"OutputLocation": "s3://my-dogs/jobs/output/1.out"},
        GetObject={"Body": io.BytesIO(ANSWER)},
    )
    Predictor("dogs", account.session).predict_async(PICTURE).result()


def ask(account: DryAccount) -> None:
    account.answer(InvokeEndpoint={"Body": io.BytesIO(ANSWER)})
    assert Predictor("dogs", account.session).predict(PICTURE)[0].label == "dog"


def take_away(account: DryAccount) -> None:
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/dogs/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "MinCapacity": 0,
    }
    account.answer(
        DescribeEndpoint={"EndpointConfigName": "dogs"},
        DescribeEndpointConfig={"ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": "dogs"}]},
        DescribeScalableTargets={"ScalableTargets": [target]},
    )
    assert len(Predictor("dogs", account.session).delete()) == 5


PICTURE = b"\x89PNG"
ANSWER = b'{"predictions": [{"index": 0, "label": "dog", "probability": 1.0}]}'
SERVERLESS = ServerlessInferenceConfig(2048, 5)


@pytest.mark.parametrize(
    ("act", "wanted"),
    [
        (lambda account: model(account).deploy(instance_type=GPU, capture_percent=5), "sagemaker:CreateEndpoint"),
        (lambda account: model(account).deploy(serverless_inference_config=SERVERLESS), "sagemaker:CreateEndpoint"),
        (
            lambda account: model(account).deploy(instance_type=CPU, autoscaling=Autoscaling.parse("1:2")),
            "application-autoscaling:PutScalingPolicy",
        ),
        (
            lambda account: model(account).deploy(
                instance_type=CPU, async_inference_config=AsyncInferenceConfig(), autoscaling=Autoscaling.parse("0:2")
            ),
            "cloudwatch:PutMetricAlarm",
        ),
        (
            lambda account: model(account).deploy(
                instance_type=CPU, endpoint_name="dogs", update_endpoint=True, rollout=Rollout.parse("canary:10")
            ),
            "sagemaker:UpdateEndpoint",
        ),
        (deploy_variants_of, "sagemaker:UpdateEndpointWeightsAndCapacities"),
        (deploy_many_models, "s3:PutObject"),
        (ask, "sagemaker:InvokeEndpoint"),
        (leave_a_picture, "sagemaker:InvokeEndpointAsync"),
        (take_away, "cloudwatch:DeleteAlarms"),
    ],
    ids=["real-time", "serverless", "scaled", "async", "update", "variants", "models", "ask", "ask-async", "delete"],
)
def test_deploying_and_asking_are_covered(account, act, wanted):
    act(account)
    assert wanted in needed(account.recorded)
    assert needed(account.recorded) <= set(actions("user"))


def test_a_scaled_endpoint_may_make_its_service_linked_role():
    [role] = [part for part in POLICIES["user"]["Statement"] if part["Action"] == "iam:CreateServiceLinkedRole"]
    service = role["Condition"]["StringEquals"]["iam:AWSServiceName"]
    assert service == "sagemaker.application-autoscaling.amazonaws.com"
    assert f"/aws-service-role/{service}/" in role["Resource"]


def test_clarify_is_covered(account):
    account.answer(DescribeProcessingJob={"ProcessingJobStatus": "Completed"})
    configured = ImageExplanation.of(
        data="s3://my-dogs/dogImages/test/",
        output="s3://my-dogs/jobs/clarify",
        classes=["bird", "cat"],
        model_name="dogs",
        instance_type=CPU,
    )
    configured.run(role=ROLE, instance_type=CPU, sagemaker_session=account.session, logs=False)
    wanted = {"sagemaker:CreateProcessingJob", "sagemaker:DescribeProcessingJob", "s3:PutObject"}
    assert wanted <= needed(account.recorded) <= set(actions("user"))


def test_listing_jobs_and_reading_logs_is_covered():
    aws = Aws(REGION, None)
    summary = {
        "TrainingJobName": "dogs",
        "TrainingJobArn": f"arn:aws:sagemaker:{REGION}:111122223333:training-job/dogs",
        "CreationTime": NOW,
    }
    recorded = DryRun(
        answers={
            "ListTrainingJobs": {"TrainingJobSummaries": [summary]},
            "ListTags": {"Tags": [{"Key": "slipway", "Value": "1"}]},
            "DescribeTrainingJob": {**TRAINED, "CreationTime": NOW},
            **logged("Epoch 1"),
        }
    )
    recorded.attach(aws)
    assert [job.name for job in list_jobs(aws, since=NOW, limit=5)] == ["dogs"]
    assert set(log_lines(aws, job_source(aws, "dogs"), tail=None, follow=False)) == {"Epoch 1"}
    wanted = {f"sagemaker:List{kind}s" for kind in ("TrainingJob", "TransformJob", "HyperParameterTuningJob")}
    assert wanted | {"logs:GetLogEvents"} <= needed(recorded) <= set(actions("user"))


def test_the_doctor_is_covered():
    aws = Aws(REGION, None)
    trust = json.dumps(POLICIES["trust"])
    recorded = DryRun(answers={"GetRole": {"Role": {"AssumeRolePolicyDocument": trust}}})
    recorded.attach(aws)
    here = Account(aws=aws, number="111122223333")
    found = [
        *check_bucket(here, "my-dogs"),
        *check_execution_role(here, ROLE, "my-dogs", "slipway"),
        *check_quotas(here, [(GPU, "training")]),
    ]
    assert [finding.status for finding in found] == ["ok", "ok", "ok", "unknown"]
    assert {"iam:SimulatePrincipalPolicy", "s3:ListBucket"} <= needed(recorded) <= set(actions("user"))


def test_setting_up_is_covered():
    aws = Aws(REGION, None)
    recorded = DryRun(answers={"GetRolePolicy": {"PolicyDocument": json.dumps(POLICIES["trust"])}})
    recorded.attach(aws)
    for account in (None, "111122223333"):
        for _, step in make_plan(aws, Wanted(bucket="my-dogs"), account).steps:
            step()
    assert {"iam:CreateRole", "s3:CreateBucket"} <= needed(recorded) <= {*actions("user"), *SETUP_ACTIONS}
