"""What `slipway clean` finds, what it deletes, and what it never touches."""

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.clean.delete import delete
from slipway.clean.find import READS, Selection, find, older_than
from slipway.clean.resource import Resource

REGION = "eu-west-1"
ROLE = "arn:aws:iam::123456789012:role/slipway-execution"
OURS = [{"Key": "slipway", "Value": "0.1.0"}]


def client(service):
    return boto3.client(service, region_name=REGION)


def make(name, tags=(), output="s3://my-dogs/jobs", model_data=None):
    """A training job with its output and log, a model, an endpoint with scaling and a log, all of one name."""
    sagemaker = client("sagemaker")
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "image", "TrainingInputMode": "File"},
        RoleArn=ROLE,
        OutputDataConfig={"S3OutputPath": output},
        ResourceConfig={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 10},
        Tags=tags,
    )
    data = model_data or f"{output}/{name}/output/model.tar.gz"
    sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "image", "ModelDataUrl": data}, Tags=tags
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.xlarge",
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], Tags=tags)
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name, Tags=tags)
    client("application-autoscaling").register_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId=f"endpoint/{name}/variant/AllTraffic",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        MinCapacity=1,
        MaxCapacity=2,
    )
    client("logs").create_log_group(logGroupName=f"/aws/sagemaker/Endpoints/{name}")
    client("logs").create_log_stream(logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=f"{name}/algo-1-1")
    prefix = output.removeprefix("s3://my-dogs/")
    client("s3").put_object(Bucket="my-dogs", Key=f"{prefix}/{name}/output/model.tar.gz", Body=b"model")


@pytest.fixture
def account(aws_account):
    """Ours, and another's whose names begin with ours."""
    client("s3").create_bucket(Bucket="my-dogs", CreateBucketConfiguration={"LocationConstraint": REGION})
    client("s3").put_object(Bucket="my-dogs", Key="dogImages/train/Beagle/1.jpg", Body=b"picture")
    client("logs").create_log_group(logGroupName="/aws/sagemaker/TrainingJobs")
    make("dogs", OURS)
    make("dogs-2", [{"Key": "team", "Value": "slipway"}])
    return aws_account


def names(found):
    return [(resource.kind, resource.name) for resource in found.resources]


def what_is_left():
    sagemaker = client("sagemaker")
    return {
        "endpoints": [item["EndpointName"] for item in sagemaker.list_endpoints()["Endpoints"]],
        "configurations": [item["EndpointConfigName"] for item in sagemaker.list_endpoint_configs()["EndpointConfigs"]],
        "models": [item["ModelName"] for item in sagemaker.list_models()["Models"]],
        "targets": [
            item["ResourceId"]
            for item in client("application-autoscaling").describe_scalable_targets(ServiceNamespace="sagemaker")[
                "ScalableTargets"
            ]
        ],
        "groups": [item["logGroupName"] for item in client("logs").describe_log_groups()["logGroups"]],
        "streams": [
            item["logStreamName"]
            for item in client("logs").describe_log_streams(logGroupName="/aws/sagemaker/TrainingJobs")["logStreams"]
        ],
        "objects": [item["Key"] for item in client("s3").list_objects_v2(Bucket="my-dogs")["Contents"]],
    }


OTHERS = {
    "endpoints": ["dogs-2"],
    "configurations": ["dogs-2"],
    "models": ["dogs-2"],
    "targets": ["endpoint/dogs-2/variant/AllTraffic"],
    "groups": ["/aws/sagemaker/Endpoints/dogs-2", "/aws/sagemaker/TrainingJobs"],
    "streams": ["dogs-2/algo-1-1"],
    "objects": ["dogImages/train/Beagle/1.jpg", "jobs/dogs-2/output/model.tar.gz"],
}


def test_everything_that_is_ours_is_found_in_the_order_of_deletion_and_nothing_else(account):
    assert names(find(Aws(REGION, None), Selection())) == [
        ("scaling target", "endpoint/dogs/variant/AllTraffic"),
        ("endpoint", "dogs"),
        ("endpoint configuration", "dogs"),
        ("model", "dogs"),
        ("log group", "/aws/sagemaker/Endpoints/dogs"),
        ("log stream", "dogs/algo-1-1"),
        ("output", "s3://my-dogs/jobs/dogs"),
    ]


def test_the_command_lists_deletes_and_leaves_what_is_not_ours(account, slipway):
    done = slipway("clean", "--yes")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert rows[1].split()[:3] == ["costs", "endpoint", "dogs"]
    assert "1 objects, 0.0 MB" in done.stdout
    assert "deleted: endpoint dogs" in done.stdout
    assert what_is_left() == OTHERS
    assert "There is nothing to delete in eu-west-1." in slipway("clean", "--yes").stdout


def test_json_says_what_is_found_deleted_and_left(account, slipway_here):
    listed = json.loads(slipway_here("clean", "--models", "--dry-run", "--json").stdout)
    assert {one["name"] for one in listed["found"]} == {"dogs"} or listed["kept"]
    done = slipway_here("clean", "--endpoints", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"kind": "endpoint", "name": "dogs"} in found["deleted"]
    assert found["remaining"] == []
    assert "deleted: endpoint dogs" in done.stderr


def test_without_an_answer_nothing_is_deleted(account, slipway):
    before = what_is_left()
    done = slipway("clean")
    assert done.returncode == 1
    assert "Delete these 7 in eu-west-1?" in done.stdout
    assert what_is_left() == before


def test_a_dry_run_prints_the_requests_and_deletes_nothing(account, slipway):
    before = what_is_left()
    done = slipway("clean", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert '"sagemaker:DeleteEndpoint": {' in done.stdout
    assert '"EndpointName": "dogs"' in done.stdout
    assert "dogs-2" not in done.stdout
    assert what_is_left() == before


@pytest.mark.parametrize(
    ("option", "kinds", "kept"),
    [
        ("endpoints", {"scaling target", "endpoint", "endpoint configuration"}, []),
        ("models", set(), ["the model dogs stays: the endpoint dogs uses it"]),
        ("logs", {"log group", "log stream"}, []),
        ("outputs", set(), ["s3://my-dogs/jobs/dogs stays: the model dogs is in there and is not deleted"]),
    ],
)
def test_kinds_can_be_chosen(option, kinds, kept, account):
    none = {"endpoints": False, "models": False, "logs": False, "outputs": False}
    found = find(Aws(REGION, None), Selection(**{**none, option: True}))
    assert {resource.kind for resource in found.resources} == kinds
    assert found.kept == kept


def test_what_an_endpoint_of_somebody_elses_serves_stays(account):
    variant = {"VariantName": "a", "ModelName": "dogs", "InitialInstanceCount": 1, "InstanceType": "ml.m5.xlarge"}
    client("sagemaker").create_endpoint_config(EndpointConfigName="live", ProductionVariants=[variant])
    client("sagemaker").create_endpoint(EndpointName="live", EndpointConfigName="live")
    found = find(Aws(REGION, None), Selection())
    assert not [name for kind, name in names(found) if kind in ("model", "output")]
    assert found.kept == [
        "the model dogs stays: the endpoint live uses it",
        "s3://my-dogs/jobs/dogs stays: the model dogs is in there and is not deleted",
    ]


def test_models_that_have_gone_free_the_outputs(account):
    sagemaker = client("sagemaker")
    sagemaker.delete_endpoint(EndpointName="dogs")
    sagemaker.delete_endpoint_config(EndpointConfigName="dogs")
    found = find(Aws(REGION, None), Selection(endpoints=False, logs=False))
    assert names(found) == [("model", "dogs"), ("output", "s3://my-dogs/jobs/dogs")]


def test_outputs_below_a_multi_model_endpoints_prefix_stay(account):
    container = {"Image": "image", "Mode": "MultiModel", "ModelDataUrl": "s3://my-dogs/jobs/"}
    client("sagemaker").create_model(ModelName="many", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    found = find(Aws(REGION, None), Selection())
    assert found.kept == ["s3://my-dogs/jobs/dogs stays: the model many is in there and is not deleted"]


def test_nothing_goes_that_an_endpoint_needs_which_could_not_be_deleted(account):
    resources = find(Aws(REGION, None), Selection(logs=False)).resources
    client("sagemaker").delete_endpoint(EndpointName="dogs")  # so that its deletion is refused
    remains = delete(Aws(REGION, None), resources, lambda resource: None)
    assert [left.resource.kind for left in remains] == ["endpoint", "endpoint configuration", "model", "output"]
    assert remains[-1].reason == "kept, since the endpoint dogs is still there"


def test_outputs_that_another_model_uses_stay(account):
    make("users", model_data="s3://my-dogs/jobs/dogs/output/model.tar.gz")
    found = find(Aws(REGION, None), Selection())
    assert ("output", "s3://my-dogs/jobs/dogs") not in names(found)
    assert found.kept == ["s3://my-dogs/jobs/dogs stays: the model users is in there and is not deleted"]


def test_data_is_never_an_output(account):
    make("careless", OURS, output="s3://my-dogs/dogImages")
    found = names(find(Aws(REGION, None), Selection()))
    assert ("model", "careless") in found
    assert not [name for kind, name in found if kind == "output" and "dogImages" in name]


def test_a_shared_output_address_of_a_transform_job_is_not_the_jobs_own(account):
    for name, output in (("t-shared", "s3://my-dogs/jobs"), ("t-own", "s3://my-dogs/jobs/t-own/")):
        client("sagemaker").create_transform_job(
            TransformJobName=name,
            ModelName="dogs",
            TransformInput={"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://my-dogs/p/"}}},
            TransformOutput={"S3OutputPath": output},
            TransformResources={"InstanceType": "ml.m5.xlarge", "InstanceCount": 1},
            Tags=OURS,
        )
    client("s3").put_object(Bucket="my-dogs", Key="jobs/t-own/1.jpg.out", Body=b"{}")
    outputs = [name for kind, name in names(find(Aws(REGION, None), Selection())) if kind == "output"]
    assert outputs == ["s3://my-dogs/jobs/dogs", "s3://my-dogs/jobs/t-own"]


def test_only_what_is_old_enough_is_meant(account, slipway):
    assert find(Aws(REGION, None), Selection(before=older_than(1))).resources == []
    assert len(find(Aws(REGION, None), Selection(before=datetime.now(UTC) + timedelta(days=1))).resources) == 7
    assert "There is nothing to delete" in slipway("clean", "--older-than", "12h").stdout
    done = slipway("clean", "--older-than", "yesterday")
    assert done.returncode == 2
    assert "'yesterday' is not an age; write it like 12h, 7d or 2w" in done.stderr


def test_what_cannot_be_deleted_remains_and_the_rest_goes(account):
    gone = Resource(kind="model", name="gone", created=datetime.now(UTC), parameters={"ModelName": "gone"})
    ours = find(Aws(REGION, None), Selection()).resources
    done = []
    [remains] = delete(Aws(REGION, None), [gone, *ours], done.append)
    assert remains.resource == gone
    assert "sagemaker:DeleteModel: AWS refused it" in remains.reason
    assert done == ours
    assert what_is_left() == OTHERS


RUNNING = {
    "ListTrainingJobs": {
        "TrainingJobSummaries": [
            {
                "TrainingJobName": "busy",
                "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/busy",
                "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
                "TrainingJobStatus": "InProgress",
            }
        ]
    },
    "ListTags": {"Tags": OURS},
}


@pytest.mark.parametrize("stop", [False, True])
def test_a_running_job_is_named_and_stopped_only_when_asked(stop):
    # moto's jobs have all ended.
    aws, dry_run = Aws(REGION, None), DryRun(answers=RUNNING)
    dry_run.attach(aws)
    found = find(aws, Selection(stop_jobs=stop))
    delete(aws, found.resources, lambda resource: None)
    if stop:
        [request] = dry_run.writes
        assert json.loads(str(request)) == {"sagemaker:StopTrainingJob": {"TrainingJobName": "busy"}}
    else:
        assert dry_run.writes == []
        assert found.kept == ["busy is still running and costs money; --stop-jobs stops it"]


def test_objects_that_s3_does_not_delete_are_told():
    aws = Aws(REGION, None)
    answers = {
        "ListObjectsV2": {"Contents": [{"Key": "jobs/dogs/a", "Size": 1}]},
        "DeleteObjects": {"Errors": [{"Key": "jobs/dogs/a", "Message": "Access Denied"}]},
    }
    DryRun(answers=answers).attach(aws)
    output = Resource(
        kind="output",
        name="s3://my-dogs/jobs/dogs",
        created=datetime.now(UTC),
        parameters={"Bucket": "my-dogs", "Prefix": "jobs/dogs/"},
    )
    [remains] = delete(aws, [output], lambda resource: None)
    assert remains.reason == "1 objects were not deleted; jobs/dogs/a: Access Denied"


def test_the_reads_are_all_that_finding_takes(account):
    aws, dry_run = Aws(REGION, None), DryRun(passing=READS)
    dry_run.attach(aws)
    find(aws, Selection())
    assert dry_run.requests == []
