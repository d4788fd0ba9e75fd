"""`slipway endpoints`, `slipway stop` and `slipway download`: what they show, stop and fetch; the API by moto."""

import json

import boto3
import pytest

from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.jobs import STEMS
from slipway.download.results import download_results
from slipway.endpoints.listed_endpoints import list_endpoints
from slipway.errors import DownloadError, SettingError
from slipway.stop.stop_job import stop_job
from tests.slipway.jobs.test_jobs import OURS, REGION, ROLE, START, train, transform


def client(service):
    return boto3.client(service, region_name=REGION)


def endpoint(name, *, tags=OURS, data="s3://dogs/jobs/a/output/model.tar.gz", **members):
    """An endpoint with all that it needs, of one name."""
    hosting = {"InitialInstanceCount": 2, "InstanceType": "ml.m5.xlarge"}
    container = {"Image": "slipway:serve", "ModelDataUrl": data}
    client("sagemaker").create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": name, "InitialVariantWeight": 1, **hosting}
    client("sagemaker").create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], **members)
    client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)


@pytest.fixture
def bucket(aws_account):
    s3 = client("s3")
    s3.create_bucket(Bucket="dogs", CreateBucketConfiguration={"LocationConstraint": REGION})
    return s3


def test_endpoints_with_our_tag_are_listed_and_what_costs_is_said(aws_account, slipway_here):
    later = {"OutputConfig": {"S3OutputPath": "s3://dogs/async"}}
    endpoint("dogs")
    endpoint("later", AsyncInferenceConfig=later)
    endpoint("a-colleagues", tags=[])
    done = slipway_here("endpoints", "--json")
    assert done.returncode == 0, done.stderr
    shown = {one["name"]: one for one in json.loads(done.stdout)}
    assert {name: (one["kind"], one["status"], one["costs_now"]) for name, one in shown.items()} == {
        "dogs": ("real-time", "InService", True),
        "later": ("asynchronous", "InService", True),
    }
    [variant] = shown["dogs"]["variants"]
    assert (variant["instance_type"], variant["instance_count"]) == ("ml.m5.xlarge", 2)
    assert shown["dogs"]["console"].endswith("#/endpoints/dogs")
    table = slipway_here("endpoints").stdout
    assert "2 ml.m5.xlarge" in table
    assert "Cost money by the hour: later, dogs" in table or "Cost money by the hour: dogs, later" in table


def test_a_serverless_endpoint_costs_nothing_by_the_hour():
    aws = Aws(REGION, None)
    recorded = DryRun(
        answers={
            "ListEndpoints": {
                "Endpoints": [
                    {"EndpointName": "dogs", "EndpointArn": f"arn:aws:sagemaker:{REGION}:111122223333:endpoint/dogs"}
                ]
            },
            "ListTags": {"Tags": OURS},
            "DescribeEndpoint": {
                "EndpointName": "dogs",
                "EndpointConfigName": "dogs",
                "EndpointStatus": "Failed",
                "CreationTime": START,
                "FailureReason": "no health check",
                "ProductionVariants": [{"VariantName": "AllTraffic"}],
            },
            "DescribeEndpointConfig": {
                "ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": "dogs-1", "ServerlessConfig": {}}]
            },
        }
    )
    recorded.attach(aws)
    [found] = list_endpoints(aws)
    assert (found.kind, found.costs_now, found.failure) == ("serverless", False, "no health check")
    assert [variant.model for variant in found.variants] == ["dogs-1"]


def test_without_endpoints_that_is_said(aws_account, slipway_here):
    assert slipway_here("endpoints").stdout == f"No Slipway endpoints in {REGION}.\n"


@pytest.mark.parametrize(("kind", "stem"), STEMS.items())
def test_a_job_of_each_kind_is_stopped_by_its_name(aws_account, stem, kind):
    aws = Aws(REGION, None)
    # That there is none of another kind is moto's answer.
    recorded = DryRun(
        passing=[f"Describe{one}" for one in STEMS.values() if one != stem],
        answers={f"Describe{stem}": {f"{stem}Status": "InProgress"}},
    )
    recorded.attach(aws)
    found = stop_job(aws, "dogs")
    assert (found.kind, found.was_running) == (kind, True)
    [stopped] = recorded.writes
    assert (stopped.operation, stopped.parameters) == (f"Stop{stem}", {f"{stem}Name": "dogs"})


def test_a_job_that_has_ended_is_left_as_it_is(aws_account, slipway_here):
    train("dogs", OURS)
    done = slipway_here("stop", "dogs")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "The training job dogs has ended already (Completed).\n"
    done = slipway_here("stop", "cats")
    assert done.returncode == 1
    assert f"there is no training, tuning, transform or processing job cats in {REGION}" in done.stderr


def test_what_is_no_job_is_said_with_what_to_use_instead(aws_account, slipway_here):
    endpoint("dogs")
    done = slipway_here("stop", "dogs")
    assert done.returncode == 1
    assert "dogs is an endpoint, which is not stopped but deleted: slipway deploy --delete dogs" in done.stderr
    client("sagemaker").delete_endpoint(EndpointName="dogs")
    assert "dogs is a model, which does not run" in slipway_here("stop", "dogs").stderr


def test_a_processing_job_such_as_clarifys_is_stopped(aws_account, slipway_here):
    client("sagemaker").create_processing_job(
        ProcessingJobName="clarify-dogs",
        ProcessingResources={
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 1}
        },
        AppSpecification={"ImageUri": "clarify"},
        RoleArn=ROLE,
    )
    done = slipway_here("stop", "clarify-dogs", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["name"], found["kind"]) == ("clarify-dogs", "processing")
    assert found["arn"].endswith(":processing-job/clarify-dogs")


ARCHIVE = b"the content of an archive"


def test_the_model_and_the_outputs_of_a_training_job_are_fetched(bucket, slipway_here, tmp_path):
    train("dogs", OURS)
    described = client("sagemaker").describe_training_job(TrainingJobName="dogs")
    place = described["ModelArtifacts"]["S3ModelArtifacts"]
    with pytest.raises(
        DownloadError, match=r"dogs \(Completed\) has left nothing at s3://dogs/jobs/dogs/output/output"
    ):
        list(download_results(Aws(REGION, None), "dogs", tmp_path))
    bucket.put_object(Bucket="dogs", Key=place.removeprefix("s3://dogs/"), Body=ARCHIVE)
    bucket.put_object(Bucket="dogs", Key="jobs/dogs/output/output.tar.gz", Body=ARCHIVE)
    done = slipway_here("download", "dogs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "dogs/model.tar.gz",
        "dogs/output.tar.gz",
        "Next: slipway serve dogs/model.tar.gz",
    ]
    assert (tmp_path / "dogs" / "model.tar.gz").read_bytes() == ARCHIVE


def test_the_outputs_of_a_transform_job_are_fetched(bucket, slipway_here, tmp_path):
    transform("batch", OURS)
    bucket.put_object(Bucket="dogs", Key="jobs/sub/1.jpg.out", Body=b"{}")
    done = slipway_here("download", "batch", "--to", tmp_path / "here")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / "sub" / "1.jpg.out").read_bytes() == b"{}"
    again = slipway_here("download", "batch", "--to", tmp_path / "again", "--json")
    assert json.loads(again.stdout)["files"] == [str(tmp_path / "again")]


def test_the_model_of_an_endpoint_is_fetched(bucket, slipway_here, tmp_path):
    endpoint("dogs")
    done = slipway_here("download", "dogs", cwd=tmp_path)
    assert done.returncode == 1
    assert "there is no model at s3://dogs/jobs/a/output/model.tar.gz; the endpoint dogs was deployed" in done.stderr
    bucket.put_object(Bucket="dogs", Key="jobs/a/output/model.tar.gz", Body=ARCHIVE)
    assert slipway_here("download", "dogs", cwd=tmp_path).returncode == 0
    assert (tmp_path / "dogs" / "model.tar.gz").is_file()
    with pytest.raises(SettingError, match=f"there is neither a job nor an endpoint cats in {REGION}"):
        list(download_results(Aws(REGION, None), "cats", tmp_path))
