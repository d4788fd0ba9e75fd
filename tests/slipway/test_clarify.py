"""What SageMaker Clarify is asked to do; what it then asks of the image is in tests/serve/worker/test_scores.py."""

import io
import json
import tarfile

import pytest

from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.session import AwsSession
from slipway.aws.tags import OWN_TAG
from slipway.clarify import ImageExplanation, class_names
from slipway.errors import ArchiveError, RemoteJobError, ServiceError, SettingError
from tests.images.registry import aws_api

ROLE = "arn:aws:iam::111122223333:role/slipway-execution"
CLASSES = ["bird", "cat"]
REGION = "us-east-1"
PLACES = {"data": "s3://my-dogs/dogImages/test/", "output": "s3://my-dogs/jobs/clarify"}
MODEL = {"model_name": "dogs", "instance_type": "ml.m5.xlarge"}


@pytest.fixture
def aws(monkeypatch):
    """Credentials that are nobody's, for S3 and SageMaker as moto has them."""
    with aws_api() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        yield Aws(REGION, None)


def configured(**arguments) -> ImageExplanation:
    return ImageExplanation.of(**{**PLACES, "classes": CLASSES, **arguments})


def test_the_job_and_its_analysis_as_aws_gets_them(aws):
    aws.service("s3").call("CreateBucket", Bucket="my-dogs")
    session = AwsSession(aws)
    job = configured(**MODEL, samples=200).run(
        role=ROLE, instance_type="ml.m5.xlarge", sagemaker_session=session, wait=False
    )
    found = aws.service("sagemaker").call("DescribeProcessingJob", ProcessingJobName=job)
    assert found["RoleArn"] == ROLE
    assert "sagemaker-clarify-processing" in found["AppSpecification"]["ImageUri"]
    inputs = {each["InputName"]: each["S3Input"]["S3Uri"] for each in found["ProcessingInputs"]}
    assert inputs["dataset"] == PLACES["data"]
    [output] = found["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"]["S3Uri"] == PLACES["output"]

    bucket, _, key = inputs["analysis_config"].removeprefix("s3://").partition("/")
    analysis = json.loads(aws.service("s3").call("GetObject", Bucket=bucket, Key=key)["Body"].read())
    assert analysis["dataset_type"] == "application/x-image"
    assert analysis["predictor"] == {
        "model_name": "dogs",
        "instance_type": "ml.m5.xlarge",
        "initial_instance_count": 1,
        "content_type": "image/jpeg",
        "accept_type": "application/json",
        "custom_attributes": "format=scores",
        "label_headers": CLASSES,
    }
    assert analysis["methods"]["shap"] == {
        "use_logit": False,
        "save_local_shap_values": True,
        "num_samples": 200,
        "image_config": {"model_type": "IMAGE_CLASSIFICATION", "num_segments": 20, "segment_compactness": 5},
    }


def test_a_dry_run_shows_the_job_with_our_tag_and_sends_nothing(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    dry_run = DryRun()
    session = AwsSession(Aws(REGION, None), dry_run)
    job = configured(**MODEL).run(
        role=ROLE, instance_type="ml.c5.xlarge", sagemaker_session=session, wait=False, tags={"team": "vision"}
    )
    assert [request.operation for request in dry_run.writes] == ["PutObject", "CreateProcessingJob"]
    body = dry_run.writes[-1].parameters
    assert body["ProcessingJobName"] == job
    assert body["ProcessingResources"]["ClusterConfig"]["InstanceType"] == "ml.c5.xlarge"
    assert {tag["Key"] for tag in body["Tags"]} == {"team", OWN_TAG}


def test_an_endpoint_that_is_there_is_used_as_it_is():
    predictor = configured(endpoint_name="dogs-live", content_type="application/x-npy").analysis["predictor"]
    assert predictor == {
        "label_headers": CLASSES,
        "endpoint_name": "dogs-live",
        "content_type": "application/x-npy",
        "accept_type": "application/json",
        "custom_attributes": "format=scores",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data": "pictures", **MODEL}, "data is 'pictures'; Clarify reads and writes S3 only"),
        ({"output": "/tmp/out", **MODEL}, "output is '/tmp/out'"),
        ({}, "either a model .* or an existing endpoint"),
        ({**MODEL, "endpoint_name": "dogs-live"}, "either a model .* or an existing endpoint"),
        ({"model_name": "dogs"}, "name its instance_type, such as ml.m5.xlarge"),
    ],
)
def test_what_cannot_work_is_said_before_any_call(arguments, message):
    with pytest.raises(SettingError, match=message):
        configured(**arguments)


def test_a_bucket_that_is_not_there(aws):
    with pytest.raises(ServiceError, match="no bucket nobodys-dogs"):
        configured(**MODEL, output="s3://nobodys-dogs/clarify").run(
            role=ROLE, instance_type="ml.m5.xlarge", sagemaker_session=AwsSession(aws), wait=False
        )


def test_a_job_that_fails_tells_its_own_reason_and_where_to_look(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    failed = {"ProcessingJobStatus": "Failed", "FailureReason": "ClientError: no pictures found"}
    session = AwsSession(Aws(REGION, None), DryRun(answers={"DescribeProcessingJob": failed}))
    with pytest.raises(RemoteJobError, match=r"(?s)no pictures found.*processing-jobs/clarify-dogs"):
        configured(**MODEL).run(
            role=ROLE, instance_type="ml.m5.xlarge", sagemaker_session=session, logs=False, job_name="clarify-dogs"
        )


@pytest.mark.parametrize("prefix", ["", "./"])
def test_classes_are_read_from_a_directory_or_an_archive(tmp_path, prefix):
    card = json.dumps({"classes": CLASSES}).encode()
    (tmp_path / "model.json").write_bytes(card)
    assert class_names(tmp_path) == CLASSES
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo(f"{prefix}model.json")
        member.size = len(card)
        archive.addfile(member, io.BytesIO(card))
    assert class_names(str(tmp_path / "model.tar.gz")) == CLASSES


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"not json"])
def test_a_model_without_a_card_says_what_to_do(tmp_path, content):
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(ArchiveError, match=r"name them yourself: classes="):
        class_names(tmp_path)
    with pytest.raises(ArchiveError, match=r"name them yourself"):
        class_names(tmp_path / "model.json")
