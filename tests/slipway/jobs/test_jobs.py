"""`slipway jobs`: which jobs are shown, and what is said of each; the API by moto."""

import json
from datetime import UTC, datetime, timedelta

import boto3

from slipway.aws.jobs import read_description

REGION = "eu-west-1"
ROLE = "arn:aws:iam::111122223333:role/slipway"
OURS = [{"Key": "team", "Value": "dogs"}, {"Key": "slipway", "Value": "0.1.0"}]
RESOURCES = {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30}
START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def train(name: str, tags: list[dict[str, str]]) -> None:
    boto3.client("sagemaker", REGION).create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "slipway:train", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": "s3://dogs/jobs"},
        ResourceConfig=RESOURCES,
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
        Tags=tags,
    )


def transform(name: str, tags: list[dict[str, str]]) -> None:
    boto3.client("sagemaker", REGION).create_transform_job(
        TransformJobName=name,
        ModelName="dogs",
        TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://dogs/new"}}},
        TransformOutput={"S3OutputPath": "s3://dogs/jobs"},
        TransformResources={"InstanceType": "ml.c5.xlarge", "InstanceCount": 1},
        Tags=tags,
    )


def tune(name: str, tags: list[dict[str, str]]) -> None:
    limits = {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1}
    boto3.client("sagemaker", REGION).create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName=name,
        HyperParameterTuningJobConfig={"Strategy": "Random", "ResourceLimits": limits},
        Tags=tags,
    )


def test_only_the_jobs_with_our_tag_are_shown(aws_account, slipway):
    train("mine", OURS)
    train("a-colleagues", [{"Key": "team", "Value": "cats"}])
    tune("search", OURS)
    transform("batch", OURS)
    done = slipway("jobs", "--json")
    assert done.returncode == 0, done.stderr
    shown = {job["name"]: job for job in json.loads(done.stdout)}
    assert {name: job["kind"] for name, job in shown.items()} == {
        "mine": "training",
        "search": "tuning",
        "batch": "transform",
    }
    assert shown["mine"]["metrics"] == {"train:progress": 100.0}
    assert shown["mine"]["console"] == (
        f"https://{REGION}.console.aws.amazon.com/sagemaker/home?region={REGION}#/jobs/mine"
    )
    table = slipway("jobs", "--kind", "training").stdout.splitlines()
    assert table[0].split()[:3] == ["NAME", "KIND", "STATUS"]
    assert [line.split()[0] for line in table[1:]] == ["mine"]


def test_where_there_is_none_the_region_is_named(aws_account, slipway):
    done = slipway("jobs", "--region", "us-west-2")
    assert done.returncode == 0, done.stderr
    assert "No Slipway jobs in us-west-2 in the last 30 days." in done.stdout


def test_what_a_training_job_on_two_spot_instances_cost_is_that_of_both():
    job = read_description(
        "training",
        {
            "TrainingJobName": "dogs",
            "TrainingJobStatus": "Completed",
            "CreationTime": START,
            "TrainingStartTime": START + timedelta(minutes=2),
            "TrainingEndTime": START + timedelta(minutes=12),
            "TrainingTimeInSeconds": 600,
            "BillableTimeInSeconds": 200,
            "ResourceConfig": {**RESOURCES, "InstanceCount": 2},
            "FinalMetricDataList": [{"MetricName": "test_accuracy", "Value": 91.4}],
        },
        REGION,
    )
    assert (job.duration_s, job.billable_s, job.metrics) == (600, 400, {"test_accuracy": 91.4})


def test_instances_in_groups_are_counted_together():
    groups = [{"InstanceCount": 2, "InstanceGroupName": "a"}, {"InstanceCount": 1, "InstanceGroupName": "b"}]
    description = {
        "TrainingJobName": "dogs",
        "TrainingJobStatus": "Failed",
        "FailureReason": "DataError: no pictures",
        "CreationTime": START,
        "BillableTimeInSeconds": 100,
        "ResourceConfig": {"InstanceGroups": groups},
    }
    job = read_description("training", description, REGION)
    assert (job.duration_s, job.billable_s, job.failure) == (None, 300, "DataError: no pictures")


def test_a_running_jobs_duration_is_the_time_so_far():
    description = {
        "TransformJobName": "batch",
        "TransformJobStatus": "InProgress",
        "CreationTime": START,
        "TransformStartTime": datetime.now(UTC) - timedelta(hours=1),
    }
    job = read_description("transform", description, REGION)
    assert job.duration_s is not None
    assert 3600 <= job.duration_s < 7200
    assert job.billable_s is None


def test_a_tuning_jobs_metric_is_its_best_objective():
    best = {"FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "eval_loss_epoch", "Value": 0.41}}
    description = {
        "HyperParameterTuningJobName": "search",
        "HyperParameterTuningJobStatus": "Completed",
        "CreationTime": START,
        "HyperParameterTuningEndTime": START + timedelta(hours=2),
        "BestTrainingJob": best,
    }
    job = read_description("tuning", description, REGION)
    assert (job.duration_s, job.metrics) == (7200, {"eval_loss_epoch": 0.41})
