"""Training jobs on SageMaker, put side by side: the API by moto, the files of a real job in its S3."""

import re
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest

from container.contract.errors import DataError
from slipway.aws.connection import Aws
from slipway.aws.session import AwsSession
from slipway.compare import compare, make_variants
from slipway.compare.remote import job_name, read_remote_job, run_remotely
from slipway.datasets.s3_channels import find_s3_channels
from slipway.errors import QuotaError, RemoteJobError, ServiceError
from tests.images.registry import aws_api
from tests.slipway.slipway_runs import EPOCHS

REGION = "eu-west-1"
VARIANTS = make_variants({"model-type": ["resnet18", "resnet34", "resnet50"]}, {})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with aws_api() as found:
        yield found


@pytest.fixture
def credentials(address, monkeypatch, tmp_path) -> dict[str, str]:
    found = {
        "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "unused", "AWS_SECRET_ACCESS_KEY": "unused",
        "AWS_REGION": REGION, "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }  # fmt: skip
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


class Account:
    """An account with a bucket, in which a job leaves at once what a real one left."""

    def __init__(self, trained) -> None:
        self.session = AwsSession(Aws(REGION, None))
        self.trained = trained
        self.started: list[str] = []
        self.s3 = boto3.client("s3", region_name=REGION)
        self.s3.create_bucket(Bucket="dogs", CreateBucketConfiguration={"LocationConstraint": REGION})

    def start(self, variant, job: str, directory) -> None:
        self.session.sagemaker_client.create_training_job(
            TrainingJobName=job,
            AlgorithmSpecification={"TrainingImage": "slipway:train", "TrainingInputMode": "File"},
            RoleArn="arn:aws:iam::111122223333:role/slipway",
            OutputDataConfig={"S3OutputPath": "s3://dogs/jobs"},
            ResourceConfig={"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 30},
            StoppingCondition={"MaxRuntimeInSeconds": 3600},
        )
        self.started.append(job)
        output = directory / "output.tar.gz"
        with tarfile.open(output, "w:gz") as tar:
            tar.add(self.trained.directory / "output" / "data", ".")
        self.s3.upload_file(str(self.trained.archive), "dogs", f"jobs/{job}/output/model.tar.gz")
        self.s3.upload_file(str(output), "dogs", f"jobs/{job}/output/output.tar.gz")


@pytest.fixture
def account(credentials, trained) -> Iterator[Account]:
    account = Account(trained)
    yield account
    boto3.resource("s3", region_name=REGION).Bucket("dogs").objects.delete()
    account.s3.delete_bucket(Bucket="dogs")


def test_what_a_job_left_in_s3_is_what_a_job_here_leaves(account, tmp_path):
    account.start(VARIANTS[0], "first", tmp_path)
    found = read_remote_job(account.session, "first")
    assert (found.job, found.place) == ("first", "1 x ml.g4dn.xlarge")
    assert found.tensors.file_bytes == (account.trained.directory / "model" / "model.safetensors").stat().st_size
    assert len(found.epochs) == EPOCHS
    assert found.test_accuracy is not None


def test_all_variants_are_started_and_compared(account, tmp_path):
    said: list[str] = []
    comparison = run_remotely(
        VARIANTS, lambda *job: account.start(*job, tmp_path), account.session, max_parallel=2, say=said.append
    )
    assert [result.name for result in comparison.results] == ["resnet18", "resnet34", "resnet50"]
    for variant, job in zip(VARIANTS, account.started, strict=True):
        assert job.startswith(f"slipway-{variant.slug}-")
    assert f"resnet18: started as {account.started[0]}" in said
    assert any("console.aws.amazon.com/sagemaker" in line and account.started[2] in line for line in said)


def test_a_job_that_left_no_model_is_reported_and_the_others_are_compared(account, tmp_path):
    def start(variant, job):
        account.start(variant, job, tmp_path)
        if variant.slug == "resnet34":
            account.s3.put_object(Bucket="dogs", Key=f"jobs/{job}/output/model.tar.gz", Body=b"not an archive")

    comparison = run_remotely(VARIANTS, start, account.session, max_parallel=3, say=lambda _: None)
    assert [result.name for result in comparison.results] == ["resnet18", "resnet50"]
    assert "model.tar.gz cannot be read" in comparison.failures["resnet34"]


def test_when_every_job_fails_the_first_reason_is_the_error(account, tmp_path):
    def start(variant, job):
        account.start(variant, job, tmp_path)
        with tarfile.open(tmp_path / "empty.tar.gz", "w:gz"):
            pass
        account.s3.upload_file(str(tmp_path / "empty.tar.gz"), "dogs", f"jobs/{job}/output/model.tar.gz")

    with pytest.raises(
        RemoteJobError, match=r"the first, resnet18: there is no model.json and no model.safetensors in"
    ):
        run_remotely(VARIANTS, start, account.session, max_parallel=3, say=lambda _: None)


def test_a_quota_makes_the_jobs_wait_for_one_another(account, tmp_path):
    said: list[str] = []
    refused = []

    def start(variant, job):
        if variant.slug == "resnet34" and not refused:
            refused.append(job)
            raise QuotaError("the account may have one")
        account.start(variant, job, tmp_path)

    comparison = run_remotely(VARIANTS, start, account.session, max_parallel=3, say=said.append)
    assert len(comparison.results) == 3
    assert "The account's quota allows 1 of these jobs at a time" in said


def test_a_quota_of_none_is_an_error(account):
    def start(_variant, _job):
        raise QuotaError("the account may have none")

    with pytest.raises(QuotaError, match="the account may have none"):
        run_remotely(VARIANTS, start, account.session, max_parallel=3, say=lambda _: None)


def test_what_still_runs_is_said_when_the_comparison_breaks_off(account, tmp_path):
    said: list[str] = []

    def start(variant, job):
        if variant.slug == "resnet34":
            raise KeyboardInterrupt
        account.start(variant, job, tmp_path)

    with pytest.raises(KeyboardInterrupt):
        run_remotely(VARIANTS, start, account.session, max_parallel=3, say=said.append)
    [job] = account.started
    assert f"Still running, and billed: {job}" in said
    assert "Stop one: slipway stop NAME" in said
    assert f"Compare them when they have ended: slipway compare --job {job}" in said


def test_a_job_that_is_not_there_is_named(account):
    with pytest.raises(ServiceError, match="looking for the training job nowhere"):
        read_remote_job(account.session, "nowhere")


def test_channels_are_found_below_a_prefix(account):
    for key in ("dogImages/train/a/1.png", "dogImages/valid/a/1.png", "dogImages/notes.txt"):
        account.s3.put_object(Bucket="dogs", Key=key, Body=b"")
    found = find_s3_channels(account.session, "s3://dogs/dogImages/")
    assert found == {"train": "s3://dogs/dogImages/train", "validation": "s3://dogs/dogImages/valid"}
    with pytest.raises(DataError, match="there is no train folder below s3://dogs; its folders are: dogImages"):
        find_s3_channels(account.session, "s3://dogs")


def test_a_manifest_in_s3_makes_its_prefix_the_train_channel(account):
    for key in ("kaggle/labels.csv", "kaggle/train/1.png", "kaggle/test/2.png", "flat/output.manifest", "flat/1.png"):
        account.s3.put_object(Bucket="dogs", Key=key, Body=b"")
    for folder in ("kaggle", "flat"):
        assert find_s3_channels(account.session, f"s3://dogs/{folder}") == {"train": f"s3://dogs/{folder}/"}
    account.s3.put_object(Bucket="dogs", Key="kaggle/train/labels.csv", Body=b"")
    assert find_s3_channels(account.session, "s3://dogs/kaggle") == {
        "train": "s3://dogs/kaggle/train",
        "test": "s3://dogs/kaggle/test",
    }


def test_finished_jobs_are_compared_from_the_shell(account, credentials, slipway_here, tmp_path):
    for job in ("first", "second"):
        account.start(VARIANTS[0], job, tmp_path)
    done = slipway_here(
        "compare", "--job", "first", "--job", "second", "--comparison-dir", tmp_path / "both", env=credentials
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^No difference that these \d+ pictures can show$", done.stdout, re.M)
    assert (tmp_path / "both" / "comparison.html").is_file()


def test_a_dry_run_shows_a_training_job_for_each_model(slipway_here, tmp_path):
    done = slipway_here(
        "compare", "s3://my-dogs/dogImages", "--instance-type", "ml.g4dn.xlarge", "--epochs", 3, "--spot", "--dry-run",
        "--role", "arn:aws:iam::111122223333:role/slipway", "--region", REGION,
        "--image", f"111122223333.dkr.ecr.{REGION}.amazonaws.com/slipway:train", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"sagemaker:CreateTrainingJob"') == 3
    for model in ("resnet50", "resnet101", "resnet152"):
        assert f'"model-type": "{model}"' in done.stdout.replace('\\"', "")
    assert "s3://my-dogs/dogImages/validation" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["dogs", "--instance-type", "ml.g4dn.xlarge", "--region", REGION],
            "dogs is not an S3 address; upload it first",
        ),
        (["dogs", "--dry-run"], "--dry-run is for SageMaker: add --instance-type"),
        (["dogs", "--spot"], "--spot is for SageMaker"),
        ([], "Name one data folder or S3 address"),
        (["--job", "first", "--epochs", "3"], "omit all hyperparameters"),
    ],
)
def test_wrong_usage_is_said(arguments, message, slipway_here):
    done = slipway_here("compare", *arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_names_of_jobs_are_what_sagemaker_takes():
    many = make_variants(
        {"opt-learning-rate": ["1e-3", "1e-4"], "augmentation": ["light"], "lr-sched-gamma": ["0.25"]}, {}
    )
    name = job_name(many[0])
    assert len(name) <= 63
    assert name.replace("-", "").isalnum()
    assert datetime.now(UTC).strftime("%y%m%d") in name
    assert compare([]).best is None
