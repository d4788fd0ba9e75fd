"""The files that SageMaker writes into a training container, and its environment variables."""

from collections.abc import Mapping, Sequence
from typing import Any

from slipway.errors import SettingError

BASE = "/opt/ml"
CHANNELS = f"{BASE}/input/data"
MODEL = f"{BASE}/model"
OUTPUT = f"{BASE}/output"
FAILURE = f"{OUTPUT}/failure"
CHECKPOINTS = f"{BASE}/checkpoints"
FOLDERS = (CHANNELS, MODEL, f"{OUTPUT}/data", CHECKPOINTS)

REGION = "us-east-1"
_GROUP = "homogeneousCluster"


def hosts_of(request: Mapping[str, Any]) -> list[str]:
    """List the names of a job's hosts, which are algo-1, algo-2 and so on.

    Raises:
        SettingError: The job has instance groups.
    """
    resources = request["ResourceConfig"]
    if resources.get("InstanceGroups"):
        raise SettingError("local mode has no instance groups; give an instance type and an instance count")
    return [f"algo-{number}" for number in range(1, int(resources.get("InstanceCount", 1)) + 1)]


def config_files(request: Mapping[str, Any], hosts: Sequence[str], host: str) -> dict[str, Any]:
    """Build the files below /opt/ml/input/config for one host, by path.

    Raises:
        SettingError: A channel asks for what local mode cannot do.
    """
    kind = request["ResourceConfig"]["InstanceType"]
    resources = {
        "current_host": host,
        "current_instance_type": kind,
        "current_group_name": _GROUP,
        "hosts": list(hosts),
        "instance_groups": [{"instance_group_name": _GROUP, "instance_type": kind, "hosts": list(hosts)}],
        "network_interface_name": "eth0",
    }
    files = {
        "hyperparameters": dict(request.get("HyperParameters", {})),
        "inputdataconfig": {one["ChannelName"]: _channel(one, request) for one in request.get("InputDataConfig", ())},
        "resourceconfig": resources,
    }
    return {f"{BASE}/input/config/{name}.json": content for name, content in files.items()}


def _channel(channel: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    mode = channel.get("InputMode") or request["AlgorithmSpecification"].get("TrainingInputMode", "File")
    source = channel["DataSource"].get("S3DataSource", {})
    distribution = source.get("S3DataDistributionType", "FullyReplicated")
    kind = source.get("S3DataType", "S3Prefix")
    if mode == "Pipe" or distribution != "FullyReplicated" or kind != "S3Prefix":
        raise SettingError(
            f"the {channel['ChannelName']} channel is {mode}, {distribution}, {kind}; in local mode it can be a folder "
            "in File or FastFile mode, which every instance has whole"
        )
    found = {"TrainingInputMode": "File", "S3DistributionType": distribution, "RecordWrapperType": "None"}
    return {**found, "ContentType": channel["ContentType"]} if channel.get("ContentType") else found


def job_environment(request: Mapping[str, Any]) -> dict[str, str]:
    """Build a training container's environment; AWS credentials are not among it."""
    name = request["TrainingJobName"]
    return {
        "AWS_REGION": REGION,
        "TRAINING_JOB_NAME": name,
        "TRAINING_JOB_ARN": f"arn:aws:sagemaker:{REGION}:111122223333:training-job/{name}",
        **request.get("Environment", {}),
    }
