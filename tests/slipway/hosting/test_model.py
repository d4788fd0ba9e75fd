"""What Model and its endpoints ask of SageMaker: every request passes botocore's own validation, and goes nowhere."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest
from sagemaker.async_inference import AsyncInferenceConfig
from sagemaker.serverless import ServerlessInferenceConfig

from slipway import Model, Predictor, local_session
from slipway.errors import ArchiveError, EndpointError, JobError, RemoteJobError, SettingError
from slipway.hosting.autoscaling import Autoscaling
from slipway.hosting.multi_model import MultiModel
from slipway.hosting.rollout import Rollout, shift_traffic
from slipway.hosting.variants import ProductionVariant, deploy_variants
from tests.slipway.sagemaker_account import IMAGE, ROLE, DryAccount, logged

OWN = {"Key": "slipway", "Value": version("slipway")}
ADDRESS = "s3://my-dogs/jobs/dogs-1/output/model.tar.gz"
GPU, CPU = "ml.g4dn.xlarge", "ml.c7i.xlarge"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch, tmp_path):
    """Neither slipway.toml nor images.json of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("SLIPWAY_ROLE", "SLIPWAY_BUCKET", "SLIPWAY_SERVE_IMAGE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def account(shared) -> DryAccount:
    return shared.reset()


def model(account: DryAccount, address: str = ADDRESS, **arguments) -> Model:
    return Model(address, ROLE, IMAGE, sagemaker_session=account.session, **arguments)


def variant_of(account: DryAccount) -> dict:
    [found] = account.body("CreateEndpointConfig")["ProductionVariants"]
    return found


def test_an_endpoint_is_a_model_a_configuration_and_the_endpoint_all_tagged(account):
    predictor = model(account).deploy(
        instance_type=CPU, endpoint_name="dogs", tags={"team": "vision"}, kms_key="key", wait=False
    )
    assert isinstance(predictor, Predictor)
    assert predictor.endpoint_name == "dogs"
    assert account.made == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    made = account.body("CreateModel")
    assert made["ExecutionRoleArn"] == ROLE
    assert made["PrimaryContainer"]["Image"] == IMAGE
    assert made["PrimaryContainer"]["ModelDataUrl"] == ADDRESS
    assert variant_of(account) == {
        "VariantName": "AllTraffic",
        "ModelName": made["ModelName"],
        "InitialVariantWeight": 1,
        "InitialInstanceCount": 1,
        "InstanceType": CPU,
        "ContainerStartupHealthCheckTimeoutInSeconds": 900,
    }
    assert account.body("CreateEndpointConfig")["KmsKeyId"] == "key"
    for operation in account.made:
        assert account.body(operation)["Tags"] == [{"Key": "team", "Value": "vision"}, OWN]


def test_a_gpu_endpoint_gets_a_host_with_a_new_driver_unless_another_is_named(account):
    model(account).deploy(2, GPU, wait=False)
    assert variant_of(account)["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"
    assert variant_of(account)["InitialInstanceCount"] == 2
    model(account).deploy(instance_type=GPU, inference_ami_version="al2-ami-sagemaker-inference-gpu-3-1", wait=False)
    assert variant_of(account)["InferenceAmiVersion"] == "al2-ami-sagemaker-inference-gpu-3-1"


def test_arguments_of_the_sdk_still_work(account):
    vpc = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    own = model(account, env={"SLIPWAY_TOP_K": "3"}, name="my-model", vpc_config=vpc, enable_network_isolation=True)
    own.deploy(instance_type=CPU, volume_size=40, model_data_download_timeout=1200, wait=False)
    made = account.body("CreateModel")
    assert made["ModelName"] == "my-model"
    assert made["PrimaryContainer"]["Environment"] == {"SLIPWAY_TOP_K": "3"}
    assert (made["VpcConfig"], made["EnableNetworkIsolation"]) == (vpc, True)
    assert variant_of(account)["VolumeSizeInGB"] == 40
    assert variant_of(account)["ModelDataDownloadTimeoutInSeconds"] == 1200


def test_a_serverless_endpoint(account):
    config = ServerlessInferenceConfig(memory_size_in_mb=3072, max_concurrency=7)
    model(account).deploy(serverless_inference_config=config, wait=False)
    assert variant_of(account)["ServerlessConfig"] == {"MemorySizeInMB": 3072, "MaxConcurrency": 7}
    assert not {"InstanceType", "InitialInstanceCount"} & variant_of(account).keys()


@pytest.mark.parametrize(
    ("config", "others", "message"),
    [
        ((3000, 5), {}, "memory is 3000 MB; it must be one of 1024, 2048"),
        ((2048, 201), {}, "concurrency is 201; it must be 1 to 200"),
        ((2048, 5), {"instance_type": GPU}, "omit the instance type ml.g4dn.xlarge"),
        ((2048, 5), {"capture_percent": 10}, "has no data capture"),
        ((2048, 5), {"async_inference_config": AsyncInferenceConfig()}, "has no asynchronous mode"),
        ((2048, 5), {"autoscaling": Autoscaling.parse("1:2")}, "scales by itself"),
    ],
)
def test_what_a_serverless_endpoint_cannot_be(account, config, others, message):
    with pytest.raises(SettingError, match=message):
        model(account).deploy(serverless_inference_config=ServerlessInferenceConfig(*config), **others)
    assert account.made == []


def test_an_asynchronous_endpoint_writes_to_the_models_bucket_unless_told(account):
    model(account).deploy(
        instance_type=CPU,
        endpoint_name="dogs",
        async_inference_config=AsyncInferenceConfig(
            max_concurrent_invocations_per_instance=4,
            notification_config={"ErrorTopic": "arn:aws:sns:eu-west-1:111122223333:errors"},
        ),
        wait=False,
    )
    assert account.body("CreateEndpointConfig")["AsyncInferenceConfig"] == {
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
        "OutputConfig": {
            "S3OutputPath": "s3://my-dogs/jobs/async/dogs/output",
            "S3FailurePath": "s3://my-dogs/jobs/async/dogs/failure",
            "NotificationConfig": {"ErrorTopic": "arn:aws:sns:eu-west-1:111122223333:errors"},
        },
    }


def test_captured_requests_go_below_jobs_in_the_bucket(account):
    model(account, bucket="my-records").deploy(instance_type=CPU, endpoint_name="dogs", capture_percent=20, wait=False)
    recorded = account.body("CreateEndpointConfig")["DataCaptureConfig"]
    assert recorded["DestinationS3Uri"] == "s3://my-records/jobs/capture/dogs"
    assert recorded["InitialSamplingPercentage"] == 20
    assert recorded["EnableCapture"] is True


def test_without_a_bucket_nothing_is_captured(account):
    no_address = Model({"S3DataSource": {}}, ROLE, IMAGE, sagemaker_session=account.session)
    with pytest.raises(SettingError, match=r"no bucket for captured requests .* --bucket"):
        no_address.deploy(instance_type=CPU, capture_percent=20)
    with pytest.raises(SettingError, match="101 percent; it must be 1 to 100"):
        model(account).deploy(instance_type=CPU, capture_percent=101)
    assert account.made == []


def test_autoscaling_of_a_real_time_endpoint(account):
    scaling = Autoscaling(min_instances=1, max_instances=4, invocations_per_minute=90)
    model(account).deploy(instance_type=CPU, endpoint_name="dogs", autoscaling=scaling)
    assert account.made[3:] == ["RegisterScalableTarget", "PutScalingPolicy"]
    target = account.body("RegisterScalableTarget")
    assert target["ResourceId"] == "endpoint/dogs/variant/AllTraffic"
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    policy = account.body("PutScalingPolicy")["TargetTrackingScalingPolicyConfiguration"]
    assert policy == {
        "TargetValue": 90.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        "ScaleInCooldown": 300,
        "ScaleOutCooldown": 60,
    }


def test_an_asynchronous_endpoint_scales_to_nothing_and_is_woken_by_an_alarm(account):
    model(account).deploy(
        instance_type=CPU,
        endpoint_name="dogs",
        async_inference_config=AsyncInferenceConfig(),
        autoscaling=Autoscaling.parse("0:2"),
    )
    assert account.made[3:] == [
        "RegisterScalableTarget",
        "PutScalingPolicy",
        "PutScalingPolicy",
        "PutMetricAlarm",
    ]
    tracked = account.recorded.writes[4].parameters["TargetTrackingScalingPolicyConfiguration"]
    assert tracked["CustomizedMetricSpecification"]["MetricName"] == "ApproximateBacklogSizePerInstance"
    alarm = account.body("PutMetricAlarm")
    assert alarm["MetricName"] == "HasBacklogWithoutCapacity"
    assert alarm["AlarmActions"][0].startswith("arn:aws:application-autoscaling")


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("0:2", {}, "only an asynchronous endpoint can scale to 0"),
        ("1:2", {"wait": False}, "only an endpoint in service can be scaled"),
        ("3:2", {}, "3:2 is not a range"),
        ("few", {}, "'few' is not a range"),
    ],
)
def test_scaling_that_cannot_be(account, text, arguments, message):
    with pytest.raises(SettingError, match=message):
        model(account).deploy(instance_type=CPU, autoscaling=Autoscaling.parse(text), **arguments)
    assert account.made == []


def test_a_load_must_be_more_than_nothing():
    with pytest.raises(SettingError, match="invocations per minute of an instance must be more than 0"):
        Autoscaling(min_instances=1, max_instances=2, invocations_per_minute=0)


@pytest.mark.parametrize(
    ("rollout", "routing"),
    [
        (Rollout.parse("all-at-once"), {"Type": "ALL_AT_ONCE"}),
        (
            Rollout.parse("canary:10"),
            {"Type": "CANARY", "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 10}},
        ),
        (
            Rollout.parse("linear:25"),
            {"Type": "LINEAR", "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 25}},
        ),
    ],
)
def test_an_update_moves_the_traffic_from_the_old_instances_to_the_new(account, rollout, routing):
    model(account).deploy(instance_type=CPU, endpoint_name="dogs", update_endpoint=True, rollout=rollout, wait=False)
    assert account.made == ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"]
    update = account.body("UpdateEndpoint")
    assert update["EndpointName"] == "dogs"
    assert update["EndpointConfigName"] == account.body("CreateEndpointConfig")["EndpointConfigName"] != "dogs"
    policy = update["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"] == {**routing, "WaitIntervalInSeconds": 300}


def test_alarms_roll_an_update_back(account):
    rollout = Rollout(kind="canary", percent=10, alarms=["errors", "latency"])
    model(account).deploy(instance_type=CPU, endpoint_name="dogs", update_endpoint=True, rollout=rollout, wait=False)
    rollback = account.body("UpdateEndpoint")["DeploymentConfig"]["AutoRollbackConfiguration"]
    assert rollback == {"Alarms": [{"AlarmName": "errors"}, {"AlarmName": "latency"}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("canary", "a canary update needs a step of 1 to 50 %, such as canary:10"),
        ("linear:51", "a linear update needs a step of 1 to 50 %"),
        ("all-at-once:3", "has no steps"),
        ("slowly", "'slowly' is not a kind of update"),
    ],
)
def test_rollouts_that_there_are_not(text, message):
    with pytest.raises(SettingError, match=message):
        Rollout.parse(text)


def test_a_rollouts_waits_have_limits_and_it_is_of_an_update(account):
    with pytest.raises(SettingError, match="the wait of an update is 0 to 3600 s, not 4000"):
        Rollout(wait_s=4000)
    with pytest.raises(SettingError, match="give update_endpoint=True"):
        model(account).deploy(instance_type=CPU, rollout=Rollout())


def test_variants_share_the_traffic_of_one_endpoint(account):
    old = ProductionVariant(name="old", model=model(account), weight=9, instance_type=CPU)
    new = ProductionVariant(name="new", model=model(account, "s3://my-dogs/b/model.tar.gz"), instance_type=GPU)
    predictor = deploy_variants([old, new], endpoint_name="dogs", capture_percent=5, bucket="my-dogs", wait=False)
    assert isinstance(predictor, Predictor)
    assert account.made == ["CreateModel", "CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    configuration = account.body("CreateEndpointConfig")
    first, second = configuration["ProductionVariants"]
    assert (first["VariantName"], first["InitialVariantWeight"], first["InstanceType"]) == ("old", 9, CPU)
    assert (second["VariantName"], second["InitialVariantWeight"]) == ("new", 1.0)
    assert second["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"
    assert "InferenceAmiVersion" not in first
    assert first["ModelName"] != second["ModelName"]
    assert configuration["DataCaptureConfig"]["DestinationS3Uri"] == "s3://my-dogs/jobs/capture/dogs"
    assert configuration["Tags"] == [OWN]


def test_variants_can_be_put_behind_an_endpoint_that_is_there(account):
    both = [ProductionVariant(name=name, model=model(account), instance_type=CPU) for name in ("a", "b")]
    deploy_variants(both, endpoint_name="dogs", update=True, rollout=Rollout(), wait=False)
    assert account.made[-1] == "UpdateEndpoint"


def test_variants_that_do_not_go_together(account):
    one = ProductionVariant(name="a", model=model(account), instance_type=CPU)
    nothing = [ProductionVariant(name=name, model=model(account), weight=0, instance_type=CPU) for name in ("a", "b")]
    with pytest.raises(SettingError, match="two or more variants of different names, not a, a"):
        deploy_variants([one, one])
    with pytest.raises(SettingError, match="all variants have the weight 0"):
        deploy_variants(nothing)
    with pytest.raises(SettingError, match="the weight of a is -1"):
        ProductionVariant(name="a", model=one.model, weight=-1, instance_type=CPU)
    with pytest.raises(SettingError, match=r"did you mean ml\.c7i\.xlarge"):
        ProductionVariant(name="a", model=one.model, instance_type="ml.c7i.xlrge")
    with pytest.raises(SettingError, match="give update=True"):
        deploy_variants([one, nothing[1]], rollout=Rollout())
    here = Model(ADDRESS, image_uri="slipway:serve", sagemaker_session=local_session())
    with pytest.raises(SettingError, match="local mode has one container"):
        deploy_variants([ProductionVariant(name=name, model=here, instance_type=CPU) for name in ("a", "b")])
    assert account.made == []


def test_traffic_shifts_between_variants(account):
    account.answer(DescribeEndpoint={"ProductionVariants": [{"VariantName": "old"}, {"VariantName": "new"}]})
    shift_traffic(account.session, "dogs", {"old": 1, "new": 3.5})
    assert account.body("UpdateEndpointWeightsAndCapacities")["DesiredWeightsAndCapacities"] == [
        {"VariantName": "old", "DesiredWeight": 1.0},
        {"VariantName": "new", "DesiredWeight": 3.5},
    ]
    with pytest.raises(EndpointError, match="the endpoint dogs has no variant newer; it has old, new"):
        shift_traffic(account.session, "dogs", {"newer": 1})
    with pytest.raises(SettingError, match="the weight of new is -1"):
        shift_traffic(account.session, "dogs", {"new": -1})


def test_a_multi_model_endpoint_serves_all_that_is_below_a_prefix(account):
    many = MultiModel("s3://my-dogs/breeds", ROLE, IMAGE, sagemaker_session=account.session)
    many.deploy(instance_type=CPU, endpoint_name="breeds", wait=False)
    container = account.body("CreateModel")["PrimaryContainer"]
    assert (container["Mode"], container["ModelDataUrl"]) == ("MultiModel", "s3://my-dogs/breeds/")


def test_what_a_multi_model_endpoint_cannot_be(account):
    many = MultiModel("s3://my-dogs/breeds", ROLE, IMAGE, sagemaker_session=account.session)
    with pytest.raises(SettingError, match=r"ml\.g4dn\.xlarge has GPUs"):
        many.deploy(1, GPU)
    with pytest.raises(SettingError, match="cannot be serverless"):
        many.deploy(serverless_inference_config=ServerlessInferenceConfig())
    with pytest.raises(SettingError, match="local mode has no multi-model endpoints"):
        MultiModel("s3://my-dogs/breeds", sagemaker_session=local_session())
    assert account.made == []


def job(status: str, **fields) -> dict:
    return {"TrainingJobName": "dogs-1", "TrainingJobStatus": status, "RoleArn": ROLE, **fields}


def test_the_model_of_a_job_keeps_its_role_and_vpc(account):
    vpc = {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    done = job("Completed", ModelArtifacts={"S3ModelArtifacts": ADDRESS}, VpcConfig=vpc)
    account.answer(DescribeTrainingJob=done)
    Model.from_job("dogs-1", image_uri=IMAGE, sagemaker_session=account.session).deploy(instance_type=CPU, wait=False)
    made = account.body("CreateModel")
    assert made["PrimaryContainer"]["ModelDataUrl"] == ADDRESS
    assert (made["ExecutionRoleArn"], made["VpcConfig"]) == (ROLE, vpc)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (job("Failed", FailureReason="AlgorithmError: no pictures"), "dogs-1 failed: no pictures"),
        (job("Stopped"), "dogs-1 was stopped"),
        (job("InProgress"), "dogs-1 is InProgress and has no model yet; slipway logs dogs-1 --follow"),
    ],
)
def test_a_job_without_a_model_says_why(account, description, message):
    account.answer(DescribeTrainingJob=description)
    with pytest.raises(RemoteJobError, match=message):
        Model.from_job("dogs-1", image_uri=IMAGE, sagemaker_session=account.session)


def test_a_folder_of_this_machine_is_packed_and_uploaded(account, trained):
    for path in (trained.directory, trained.directory / "model", trained.archive):
        made = Model.from_directory(path, role=ROLE, image_uri=IMAGE, bucket="dogs", sagemaker_session=account.session)
        assert made.model_data.startswith("s3://dogs/jobs/models/")
        assert made.model_data.endswith("/model.tar.gz")
        assert account.body("PutObject")["Key"] == made.model_data.removeprefix("s3://dogs/")


def test_what_of_this_machine_cannot_be_deployed(account, tmp_path):
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"\x1f\x8b nothing")
    given = {"role": ROLE, "image_uri": IMAGE, "sagemaker_session": account.session}
    with pytest.raises(ArchiveError, match=r"cannot be read as a model\.tar\.gz"):
        Model.from_directory(broken, bucket="dogs", **given)
    with pytest.raises(JobError, match="there is no nowhere"):
        Model.from_directory("nowhere", bucket="dogs", **given)
    with pytest.raises(SettingError, match="no bucket for the model is named"):
        Model.from_directory(tmp_path, **given)
    with pytest.raises(SettingError, match=r"SageMaker reads models from S3; Model\.from_directory"):
        Model("model.tar.gz", **given)
    assert account.made == []


def test_local_mode_mounts_the_model_alone(trained):
    from_job = Model.from_directory(trained.directory, image_uri="slipway:serve", sagemaker_session=local_session())
    assert from_job.model_data == f"file://{(trained.directory / 'model').resolve()}"
    packed = Model(trained.archive, image_uri="slipway:serve", sagemaker_session=local_session())
    folder = packed.model_data.removeprefix("file://")
    assert folder != str(trained.archive.parent)
    assert json.loads(Path(folder, "model.json").read_text())["classes"] == ["blue", "green", "red"]


def test_local_mode_is_one_container(trained):
    here = Model(trained.directory, image_uri="slipway:serve", sagemaker_session=local_session())
    with pytest.raises(SettingError, match="local mode is one container that answers at once"):
        here.deploy(instance_type="local", capture_percent=10)
    with pytest.raises(SettingError, match="does not belong to this session"):
        here.deploy(instance_type=CPU)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "no instance type is named"),
        ({"instance_type": "ml.g4dn.xlrge"}, r"no instance type 'ml\.g4dn\.xlrge' .* did you mean ml\.g4dn\.xlarge"),
    ],
)
def test_an_instance_type_is_needed_and_known(account, arguments, message):
    with pytest.raises(SettingError, match=message):
        model(account).deploy(**arguments)
    assert account.made == []


def test_a_name_that_is_taken_is_said_before_anything_is_made(account):
    account.answer(DescribeEndpointConfig={"ProductionVariants": []})
    with pytest.raises(EndpointError, match="aws sagemaker delete-endpoint-config --endpoint-config-name dogs"):
        model(account).deploy(instance_type=CPU, endpoint_name="dogs")
    account.answer(DescribeEndpoint={"EndpointStatus": "InService"})
    with pytest.raises(EndpointError, match=r"there is an endpoint dogs already \(InService\).*--update"):
        model(account).deploy(instance_type=CPU, endpoint_name="dogs")
    assert account.made == []


def test_a_failed_endpoint_tells_its_reason_its_last_log_lines_and_what_is_left(account):
    account.answer(**logged("event=starting", "Error: model.json names no classes"))
    shown: list[str] = []

    def fail_from_now_on(line: str) -> None:
        reason = "The container did not pass the\nping health check."
        account.answer(DescribeEndpoint={"EndpointStatus": "Failed", "FailureReason": reason})
        shown.append(line)

    with pytest.raises(EndpointError) as caught:
        model(account).deploy(instance_type=CPU, endpoint_name="dogs", show=fail_from_now_on)
    text = str(caught.value)
    assert "dogs did not come into service: The container did not pass the ping health check." in text
    assert "Error: model.json names no classes" in text
    assert "slipway deploy --delete dogs" in text
    assert "https://eu-west-1.console.aws.amazon.com" in text
    assert "endpoints/dogs" in shown[0]
    assert shown[1].startswith("endpoint dogs: Failed after ")


def test_an_update_that_was_rolled_back_is_a_failure_of_the_update(account):
    rolled_back = {"EndpointStatus": "InService", "FailureReason": "Alarm errors went off"}
    account.answer(DescribeEndpoint=rolled_back, **logged())
    with pytest.raises(EndpointError) as caught:
        model(account).deploy(instance_type=CPU, endpoint_name="dogs", update_endpoint=True, show=lambda line: None)
    assert "the update of the endpoint dogs failed: Alarm errors went off" in str(caught.value)
    assert "It serves as it did before the update." in str(caught.value)
    assert "it has logged nothing" in str(caught.value)


def test_an_interrupted_wait_says_that_it_goes_on_and_costs(account):
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(
        EndpointError, match=r"the endpoint dogs is still .* costs money .* slipway deploy --delete dogs"
    ):
        model(account).deploy(instance_type=CPU, endpoint_name="dogs", show=interrupt)


def test_deleting_takes_the_scaling_and_its_alarm_away_too(account):
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/dogs/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "MinCapacity": 0,
    }
    account.answer(
        DescribeEndpoint={"EndpointConfigName": "dogs-2"},
        DescribeEndpointConfig={"ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": "dogs-1"}]},
        DescribeScalableTargets={"ScalableTargets": [target]},
    )
    assert Predictor("dogs", account.session).delete() == [
        "scaling of endpoint/dogs/variant/AllTraffic",
        "alarm slipway-wake-dogs",
        "endpoint dogs",
        "endpoint configuration dogs-2",
        "model dogs-1",
    ]
    assert account.made == [
        "DeregisterScalableTarget",
        "DeleteAlarms",
        "DeleteEndpoint",
        "DeleteEndpointConfig",
        "DeleteModel",
    ]
