"""`slipway deploy`: the exact requests of every kind in a dry run, and wrong usage."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from slipway import local_session
from slipway.errors import EndpointError, SettingError
from slipway.hosting.local import require_free_port, serving_port, started_here
from tests.images.registry import aws_api
from tests.slipway.sagemaker_account import IMAGE, REGION, ROLE
from tests.slipway.slipway_runs import Slipway

GPU, CPU = "ml.g4dn.xlarge", "ml.c7i.xlarge"
MODEL = "s3://dogs/jobs/dogs-1/output/model.tar.gz"

Requests = list[tuple[str, dict[str, Any]]]


def requests_of(slipway: Slipway, directory: Path, *arguments: object) -> Requests:
    """`slipway deploy ARGUMENTS --dry-run` without credentials; the operations and their bodies, in order."""
    environment = {"XDG_CONFIG_HOME": str(directory), "AWS_CONFIG_FILE": str(directory / "none")}
    given = ("--role", ROLE, "--image", IMAGE, "--region", REGION, "--dry-run")
    done = slipway("deploy", *arguments, *given, cwd=directory, env=environment)
    assert done.returncode == 0, done.stderr
    text, found = done.stdout.strip(), []
    while text:
        value, end = json.JSONDecoder().raw_decode(text)
        [(operation, body)] = value.items()
        found.append((operation.partition(":")[2], body))
        text = text[end:].lstrip()
    return found


@pytest.fixture
def dry_run(slipway_here, tmp_path) -> Callable[..., Requests]:
    return partial(requests_of, slipway_here, tmp_path)


def test_an_endpoint_with_everything_that_a_real_time_one_can_have(dry_run):
    requests = dry_run(
        MODEL, "--instance-type", GPU, "--instance-count", 2, "--name", "dogs", "--capture", 10, "--autoscale", "2:5",
        "--invocations-per-minute", 80, "--subnet", "subnet-1", "--security-group", "sg-1", "--network-isolation",
        "--kms-key", "key", "--tag", "team=vision",
    )  # fmt: skip
    assert [operation for operation, _ in requests] == [
        "CreateModel",
        "CreateEndpointConfig",
        "CreateEndpoint",
        "RegisterScalableTarget",
        "PutScalingPolicy",
    ]
    made, configuration, endpoint, target, policy = (body for _, body in requests)
    assert made["PrimaryContainer"]["ModelDataUrl"] == MODEL
    assert made["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert made["EnableNetworkIsolation"] is True
    [variant] = configuration["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == (GPU, 2)
    assert variant["InferenceAmiVersion"] == "al2023-ami-sagemaker-inference-gpu-4-1"
    assert "KmsKeyId" not in configuration  # local instance storage cannot have a user's key
    assert configuration["DataCaptureConfig"]["DestinationS3Uri"] == "s3://dogs/jobs/capture/dogs"
    assert endpoint["EndpointName"] == "dogs"
    assert {"Key": "team", "Value": "vision"} in endpoint["Tags"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 5)
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 80.0


def test_serverless_asynchronous_and_multi_model(dry_run):
    _, (_, serverless), _ = dry_run(MODEL, "--serverless", "--memory", 4096, "--max-concurrency", 9)
    assert serverless["ProductionVariants"][0]["ServerlessConfig"] == {"MemorySizeInMB": 4096, "MaxConcurrency": 9}
    _, (_, later), _ = dry_run(MODEL, "--instance-type", CPU, "--async", "--output", "s3://answers/here")
    assert later["AsyncInferenceConfig"]["OutputConfig"] == {
        "S3OutputPath": "s3://answers/here",
        "S3FailurePath": "s3://answers/here/failure",
    }
    (_, many), *_ = dry_run("--multi-model", "s3://dogs/breeds", "--instance-type", CPU)
    assert many["PrimaryContainer"]["Mode"] == "MultiModel"


def test_variants_their_scaling_and_a_shift(dry_run):
    requests = dry_run(
        "--variant", f"old={MODEL}:9", "--variant", "new=s3://dogs/b/model.tar.gz:1", "--instance-type", CPU,
        "--name", "dogs", "--autoscale", "1:2",
    )  # fmt: skip
    [configuration] = [body for operation, body in requests if operation == "CreateEndpointConfig"]
    weights = {one["VariantName"]: one["InitialVariantWeight"] for one in configuration["ProductionVariants"]}
    assert weights == {"old": 9.0, "new": 1.0}
    scaled = [body["ResourceId"] for operation, body in requests if operation == "RegisterScalableTarget"]
    assert scaled == ["endpoint/dogs/variant/old", "endpoint/dogs/variant/new"]
    [(operation, shifted)] = dry_run("--shift", "old=1", "--shift", "new=3", "--name", "dogs")
    assert operation == "UpdateEndpointWeightsAndCapacities"
    assert [entry["DesiredWeight"] for entry in shifted["DesiredWeightsAndCapacities"]] == [1.0, 3.0]


def test_an_update_with_a_canary_and_its_end(dry_run):
    *_, (operation, body) = dry_run(
        MODEL, "--instance-type", CPU, "--name", "dogs", "--update", "--rollout", "canary:20", "--alarm", "errors"
    )
    assert operation == "UpdateEndpoint"
    assert body["DeploymentConfig"]["AutoRollbackConfiguration"] == {"Alarms": [{"AlarmName": "errors"}]}
    assert [operation for operation, _ in dry_run("--delete", "dogs")] == ["DeleteEndpoint", "DeleteEndpointConfig"]


def test_a_model_of_this_machine_is_uploaded_first(dry_run, trained):
    requests = dry_run(trained.directory, "--instance-type", CPU, "--bucket", "dogs")
    assert [operation for operation, _ in requests[:2]] == ["PutObject", "CreateModel"]
    assert requests[1][1]["PrimaryContainer"]["ModelDataUrl"] == f"s3://dogs/{requests[0][1]['Key']}"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Name one of MODEL, --variant, --multi-model, --shift, --delete: nothing is given."),
        (["job", "--delete", "dogs"], 2, "MODEL and --delete is given"),
        (["job"], 2, "To serve on this machine: slipway serve job, or --instance-type local"),
        (["job", "--serverless", "--instance-type", CPU], 2, "--serverless has no instances"),
        (["--multi-model", "s3://dogs/b", "--instance-type", "local"], 2, "local mode serves one MODEL"),
        (["job", "--instance-type", CPU, "--update"], 2, "--update needs the endpoint: --name NAME"),
        (["job", "--instance-type", CPU, "--alarm", "a"], 2, "--alarm is for --rollout"),
        (["--shift", "a=1"], 2, "--shift needs the endpoint: --name NAME"),
        (["job", "--instance-type", "local", "--dry-run"], 2, "local mode makes none"),
        (["job", "--instance-type", "local", "--async"], 2, "it has no --async"),
        (["--shift", "a=much", "--name", "dogs"], 1, "--shift is 'a=much'; write it like --shift new=1"),
        ([MODEL, "--instance-type", CPU, "--tag", "team"], 1, "--tag is 'team'; write it like --tag team=dogs"),
        (["--variant", "a=s3://x", "--instance-type", CPU], 1, "--variant is 'a=s3://x'; write it like"),
        (["--variant", "a=s3://dogs/x:1", "--serverless"], 1, "neither --serverless nor --async"),
    ],
)
def test_wrong_usage(slipway_here, tmp_path, arguments, code, message):
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "AWS_DEFAULT_REGION": REGION, "COLUMNS": "500"}
    done = slipway_here("deploy", *arguments, cwd=tmp_path, env=environment)
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_another_server_at_the_port_is_not_taken_for_the_container():
    with aws_api() as address:
        session = local_session(serving_port=int(address.rpartition(":")[2]))
        with pytest.raises(SettingError, match=r"something else answers at port .* --port"):
            require_free_port(session)
    require_free_port(session)
    assert serving_port(local_session()) == 8080


def test_a_container_that_does_not_start_is_an_endpoint_error():
    session = local_session()
    with (
        pytest.raises(EndpointError, match=r"did not start \(Giving up\); its output above says why"),
        started_here(session, "dogs"),
    ):
        raise RuntimeError("Giving up")
    with pytest.raises(KeyboardInterrupt), started_here(session, "dogs"):
        raise KeyboardInterrupt
