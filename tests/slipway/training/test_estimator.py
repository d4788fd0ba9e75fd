"""What Estimator asks SageMaker for, without an SDK and with version 2: every request passes botocore's own validation,
and goes nowhere."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sagemaker.debugger import DebuggerHookConfig, TensorBoardOutputConfig
from sagemaker.inputs import TrainingInput
from sagemaker.instance_group import InstanceGroup

from container.contract.errors import HyperparameterError
from container.contract.metric_lines import METRIC_DEFINITIONS
from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.session import AwsSession, aws_session
from slipway.errors import RemoteJobError, SettingError
from slipway.sdk2 import estimator as sdk2
from slipway.settings.pushed_images import PushedImage, record_images
from slipway.training.estimator import Estimator

ROLE = "arn:aws:iam::111122223333:role/slipway-execution"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/slipway:train-3f2a"
TRAIN = {"train": "s3://my-dogs/dogImages/train"}
START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """Neither slipway.toml nor images.json of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("SLIPWAY_ROLE", "SLIPWAY_BUCKET", "SLIPWAY_TRAIN_IMAGE"):
        monkeypatch.delenv(name, raising=False)


class Account:
    """An account that answers as a dry run does, and the kind of Estimator that asks it."""

    kind = Estimator

    def __init__(self, answers: dict[str, Any] | None = None) -> None:
        self.recorded = DryRun(answers=answers or {})
        make = aws_session if self.kind is sdk2.Estimator else AwsSession
        self.session = make(Aws("eu-west-1", None), self.recorded)

    def estimator(self, **arguments: Any) -> Estimator:
        given = {"role": ROLE, "instance_type": "ml.g4dn.xlarge", "image_uri": IMAGE, **arguments}
        return self.kind(sagemaker_session=self.session, **given)

    def attached(self) -> Estimator:
        return self.kind.attach("dogs", self.session)

    def request(self, inputs: Any = TRAIN, **arguments: Any) -> dict[str, Any]:
        """What starting a job of such an Estimator asks for."""
        self.estimator(**arguments).fit(inputs, wait=False)
        [request] = self.recorded.writes
        assert request.operation == "CreateTrainingJob"
        return dict(request.parameters)


@pytest.fixture(params=[Estimator, sdk2.Estimator], ids=["without an SDK", "version 2"], autouse=True)
def kind(request, monkeypatch):
    """Every test is of both."""
    monkeypatch.setattr(Account, "kind", request.param)
    return request.param


@pytest.fixture
def account() -> Account:
    return Account()


def test_a_network_of_timm_names_the_job_in_letters_digits_and_hyphens(account):
    request = account.request(hyperparameters={"model-type": "convnext_tiny.in12k_ft_in1k"})
    assert request["TrainingJobName"].startswith("slipway-convnext-tiny-in12k-ft-in1k-")


def test_good_defaults(account):
    request = account.request(hyperparameters={"epochs": 3, "model-type": "resnet18"})
    assert request["TrainingJobName"].startswith("slipway-resnet18-")
    assert request["HyperParameters"] == {"epochs": "3", "model-type": "resnet18"}
    assert request["OutputDataConfig"] == {"S3OutputPath": "s3://my-dogs/jobs"}
    assert request["AlgorithmSpecification"]["TrainingImage"] == IMAGE
    assert request["AlgorithmSpecification"]["MetricDefinitions"] == METRIC_DEFINITIONS
    assert [tag["Key"] for tag in request["Tags"]] == ["slipway"]
    assert "DebugHookConfig" not in request
    assert "EnableManagedSpotTraining" not in request


def test_spot_training_has_checkpoints_of_its_own_and_time_to_wait(account):
    request = account.request(spot=True, max_run=3600)
    assert request["EnableManagedSpotTraining"] is True
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}
    assert request["CheckpointConfig"] == {
        "S3Uri": f"s3://my-dogs/jobs/{request['TrainingJobName']}/checkpoints",
        "LocalPath": "/opt/ml/checkpoints",
    }


def test_the_next_job_does_not_go_on_from_the_first_ones_checkpoints(account):
    estimator = account.estimator(spot=True)
    for name in ("first", "second"):
        estimator.fit(TRAIN, wait=False, job_name=name)
    places = [request.parameters["CheckpointConfig"]["S3Uri"] for request in account.recorded.writes]
    assert places == [f"s3://my-dogs/jobs/{name}/checkpoints" for name in ("first", "second")]


def test_checkpoints_that_the_user_names_are_left_alone(account):
    request = account.request(spot=True, checkpoint_s3_uri="s3://elsewhere/c")
    assert request["CheckpointConfig"]["S3Uri"] == "s3://elsewhere/c"


def test_everything_else_of_the_sdks_passes_through(account):
    request = account.request(
        {"train": TrainingInput("s3://my-dogs/dogImages/train", input_mode="FastFile")},
        bucket="outputs",
        subnets=["subnet-1"],
        security_group_ids=["sg-1"],
        output_kms_key="key",
        volume_kms_key="key",
        volume_size=50,
        keep_alive_period_in_seconds=600,
        enable_network_isolation=True,
        tags={"team": "dogs"},
        metric_definitions=[{"Name": "mine", "Regex": "mine=([0-9]+)"}],
        tensorboard_output_config=TensorBoardOutputConfig("s3://board", "/opt/ml/output/board"),
        debugger_hook_config=DebuggerHookConfig(s3_output_path="s3://tensors"),
        environment={"WANDB_MODE": "offline"},
        instance_count=2,
    )
    assert request["OutputDataConfig"] == {"S3OutputPath": "s3://outputs/jobs", "KmsKeyId": "key"}
    assert request["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert request["ResourceConfig"] == {
        "InstanceType": "ml.g4dn.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 50, "VolumeKmsKeyId": "key",
        "KeepAlivePeriodInSeconds": 600,
    }  # fmt: skip
    assert request["EnableNetworkIsolation"] is True
    assert {"Key": "team", "Value": "dogs"} in request["Tags"]
    assert request["AlgorithmSpecification"]["MetricDefinitions"][-1]["Name"] == "mine"
    assert request["TensorBoardOutputConfig"]["S3OutputPath"] == "s3://board"
    assert request["DebugHookConfig"]["S3OutputPath"] == "s3://tensors"
    assert request["Environment"] == {"WANDB_MODE": "offline"}
    assert request["InputDataConfig"][0]["InputMode"] == "FastFile"


def test_instance_groups_stand_for_type_and_count(account):
    groups = [InstanceGroup("a", "ml.c5.xlarge", 1), InstanceGroup("b", "ml.g4dn.xlarge", 1)]
    request = account.request(instance_type=None, instance_groups=groups)
    assert [group["InstanceType"] for group in request["ResourceConfig"]["InstanceGroups"]] == [
        "ml.c5.xlarge",
        "ml.g4dn.xlarge",
    ]


def test_tensorboard_is_one_argument(account):
    request = account.request(tensorboard=True)
    assert request["TensorBoardOutputConfig"] == {
        "S3OutputPath": "s3://my-dogs/jobs",
        "LocalPath": "/opt/ml/output/tensorboard",
    }


def test_a_script_of_the_users_own_has_its_own_hyperparameters_and_channels(account, tmp_path):
    (tmp_path / "mine.py").write_text("print('hello')\n")
    estimator = account.estimator(entry_point=str(tmp_path / "mine.py"), hyperparameters={"whatever": 1})
    estimator.fit({"anything": "s3://my-dogs/x"}, wait=False)
    request = account.recorded.writes[-1].parameters
    assert request["HyperParameters"]["whatever"] == "1"
    assert "sagemaker_program" in request["HyperParameters"]
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["anything"]
    assert {write.operation for write in account.recorded.writes} == {"PutObject", "CreateTrainingJob"}


def test_one_address_is_the_train_channel(account):
    request = account.request("s3://my-dogs/dogImages/train")
    assert [channel["ChannelName"] for channel in request["InputDataConfig"]] == ["train"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"hyperparameters": {"batchsize": 3}}, HyperparameterError, "did you mean batch-size"),
        ({"hyperparameters": {"epochs": 0}}, HyperparameterError, "epochs is 0"),
        ({"instance_type": None}, SettingError, "no instance type is named; give one such as ml.g4dn.xlarge, or local"),
        ({"instance_type": "ml.g4dn.xlrage"}, SettingError, "did you mean ml.g4dn.xlarge"),
        ({"instance_type": "large"}, SettingError, "there is no instance type 'large'"),
        ({"role": None}, SettingError, "no execution role is named.*docs/iam.md"),
        ({"role": "arn:aws:iam::111122223333:user/me"}, SettingError, "must be the ARN of a role"),
        ({"image_uri": None}, SettingError, "no training image is named.* pushed to eu-west-1 .*push.sh"),
        (
            {"role": None, "image_uri": None},
            SettingError,
            "no execution role is named(.|\n)*no training image is named",
        ),
        ({"subnets": ["subnet-1"]}, SettingError, "a VPC needs both subnets and security groups"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_asked_of_aws(account, arguments, error, message):
    with pytest.raises(error, match=message):
        account.estimator(**arguments)
    assert account.recorded.requests == []


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"train": "s3://my-dogs/t", "valid": "s3://my-dogs/v"}, "no channel 'valid'; did you mean validation"),
        ({"validation": "s3://my-dogs/v"}, "there is no train channel"),
        ({"train": "dogs/train"}, "slipway data upload dogs/train"),
        ({"train": "s3://"}, "is not an S3 address"),
        (
            {"train": TrainingInput("s3://b/t", input_mode="Pipe")},
            "train channel is in Pipe mode, which is not supported",
        ),
        (
            TrainingInput("s3://b/t/x.manifest", s3_data_type="AugmentedManifestFile", attribute_names=["label"]),
            "is an AugmentedManifestFile, which needs Pipe mode, .* mode, with the manifest in it",
        ),
    ],
)
def test_channels_that_cannot_be_are_refused(account, inputs, message):
    with pytest.raises(SettingError, match=message):
        account.estimator().fit(inputs, wait=False)
    assert account.recorded.writes == []


def test_hyperparameters_can_be_set_later_with_python_names_and_are_checked_then(account):
    estimator = account.estimator()
    estimator.set_hyperparameters(batch_size=16)
    assert estimator.hyperparameters() == {"batch-size": 16}
    with pytest.raises(HyperparameterError, match="there is no hyperparameter batch-sise"):
        estimator.set_hyperparameters(batch_sise=16)


def test_spot_and_local_mode_exclude_each_other(kind):
    with pytest.raises(SettingError, match="leave out spot"):
        kind(instance_type="local", spot=True)


def test_an_image_of_another_region_is_refused(account):
    image = IMAGE.replace("eu-west-1", "us-east-1")
    with pytest.raises(SettingError, match=r"is in us-east-1, and the job would run in eu-west-1.*push\.sh --region"):
        account.estimator(image_uri=image).fit(TRAIN, wait=False)


def described(**more: Any) -> dict[str, Any]:
    """What DescribeTrainingJob answers."""
    return {
        "TrainingJobName": "dogs",
        "TrainingJobStatus": "Completed",
        "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:111122223333:training-job/dogs",
        "CreationTime": START,
        "RoleArn": ROLE,
        "ResourceConfig": {"InstanceType": "ml.g4dn.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200},
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "MetricDefinitions": [*METRIC_DEFINITIONS, {"Name": "mine", "Regex": "mine=([0-9]+)"}],
        },
        "OutputDataConfig": {"S3OutputPath": "s3://my-dogs/jobs"},
        "HyperParameters": {"epochs": '"7"', "_tuning_objective_metric": "eval_loss_epoch"},
        "ModelArtifacts": {"S3ModelArtifacts": "s3://my-dogs/jobs/dogs/output/model.tar.gz"},
        **more,
    }


def ended(**more: Any) -> Account:
    return Account({"DescribeTrainingJob": described(**more), "ListTags": {"Tags": [{"Key": "team", "Value": "dogs"}]}})


def test_a_failed_jobs_own_words_are_the_error():
    reason = "AlgorithmError: DataError: no pictures below /opt/ml/input/data/train, exit code: 1"
    account = ended(TrainingJobStatus="Failed", FailureReason=reason)
    estimator = account.estimator()
    with pytest.raises(RemoteJobError) as failed:
        estimator.fit(TRAIN, logs="None")
    text = str(failed.value)
    assert text.startswith("the training job dogs failed: DataError: no pictures below")
    assert "slipway logs dogs" in text
    assert "console.aws.amazon.com" in text


def test_ctrl_c_while_waiting_says_that_the_job_runs_on():
    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    account = ended(TrainingJobStatus="InProgress")
    line = {"timestamp": 0, "message": "Train Epoch: 1"}
    account.recorded.answers |= {
        "DescribeLogStreams": {"logStreams": [{"logStreamName": "dogs/algo-1"}]},
        "GetLogEvents": {"events": [line], "nextForwardToken": "end"},
    }
    with pytest.raises(RemoteJobError, match=r"dogs still runs and costs money.*slipway stop dogs"):
        account.estimator().fit(TRAIN, show=interrupt, job_name="dogs")


def test_a_tag_alone_is_an_image_of_the_repository_that_was_pushed_to(account):
    image = PushedImage(
        target="train", uri=IMAGE, digest_uri=IMAGE, region="eu-west-1", account="111122223333", revision="3f2a",
        pushed="2026-11-24T12:00:00+00:00", labels={},
    )  # fmt: skip
    record_images([image])
    assert account.estimator(image_uri=None).image_uri == IMAGE
    for named in ("77aa", "train-77aa"):
        assert account.estimator(image_uri=named).image_uri == IMAGE.replace("3f2a", "77aa")


def test_a_stopped_job_says_where_the_model_is_that_it_left():
    with pytest.raises(RemoteJobError, match=r"was stopped, and left a model at s3://my-dogs/jobs/dogs/output/model"):
        ended(TrainingJobStatus="Stopped").estimator().fit(TRAIN, logs="None")


def test_what_a_job_cost_is_said_with_the_saving_and_money_only_with_a_price():
    estimator = ended(TrainingTimeInSeconds=1000, BillableTimeInSeconds=300).estimator()
    estimator.fit(TRAIN, logs="None")
    cost = estimator.cost
    assert cost is not None
    assert cost.describe() == "300 billable seconds of 1000 in training, on each of 2 instances, 70 % saved by spot"
    assert cost.describe(6).endswith(": 1.00 at 6 an hour")


def test_attaching_keeps_what_the_sdk_forgets():
    account = ended(
        EnableManagedSpotTraining=True,
        CheckpointConfig={"S3Uri": "s3://my-dogs/jobs/dogs/checkpoints", "LocalPath": "/opt/ml/checkpoints"},
        Environment={"WANDB_MODE": "offline"},
        TensorBoardOutputConfig={"S3OutputPath": "s3://my-dogs/jobs", "LocalPath": "/opt/ml/output/tensorboard"},
    )
    attached = account.attached()
    assert isinstance(attached, account.kind)
    assert attached.job_name == "dogs"
    attached.fit(TRAIN, wait=False, job_name="again")
    request = account.recorded.writes[-1].parameters
    assert request["EnableManagedSpotTraining"] is True
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 3600, "MaxWaitTimeInSeconds": 7200}
    assert request["CheckpointConfig"]["S3Uri"] == "s3://my-dogs/jobs/again/checkpoints"
    assert request["HyperParameters"]["epochs"] == '"7"'
    assert [entry["Name"] for entry in request["AlgorithmSpecification"]["MetricDefinitions"]][-1] == "mine"
    assert request["Environment"] == {"WANDB_MODE": "offline"}
    assert {"Key": "team", "Value": "dogs"} in request["Tags"]


def test_attaching_to_a_job_of_instance_groups():
    groups = [{"InstanceGroupName": "a", "InstanceType": "ml.c5.xlarge", "InstanceCount": 2}]
    account = ended(ResourceConfig={"InstanceGroups": groups, "VolumeSizeInGB": 30})
    account.attached().fit(TRAIN, wait=False)
    assert account.recorded.writes[-1].parameters["ResourceConfig"]["InstanceGroups"] == groups


def test_attaching_to_a_job_that_was_stopped_early_and_left_a_model():
    model = "s3://my-dogs/jobs/dogs/output/model.tar.gz"
    account = ended(TrainingJobStatus="Stopped", ModelArtifacts={"S3ModelArtifacts": model})
    assert account.attached().model_data == model


@pytest.mark.parametrize("kind", [sdk2.Estimator], indirect=True)
def test_the_model_of_a_job_is_deployed_with_the_serving_image():
    account = ended(ModelArtifacts={"S3ModelArtifacts": "s3://my-dogs/jobs/dogs/output/model.tar.gz"})
    image = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/slipway:serve"
    account.attached().deploy(1, "ml.g4dn.xlarge", image_uri=image, wait=False)
    writes = {request.operation: request.parameters for request in account.recorded.writes}
    assert list(writes) == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    assert writes["CreateModel"]["PrimaryContainer"]["Image"] == image
    [variant] = writes["CreateEndpointConfig"]["ProductionVariants"]
    assert variant["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"


def test_there_is_nothing_to_wait_for_or_to_deploy_before_fit(account):
    with pytest.raises(SettingError, match=r"call fit\(\) first"):
        account.estimator().wait()
    with pytest.raises(SettingError, match=r"call fit\(\) first"):
        account.estimator().deploy(instance_type="ml.c5.xlarge")
