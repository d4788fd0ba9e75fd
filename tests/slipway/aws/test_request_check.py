"""What SageMaker would refuse is refused before anything is sent, by the patterns in botocore's service model."""

import pytest

from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.session import AwsSession
from slipway.errors import SettingError

_ROLE = "arn:aws:iam::111122223333:role/slipway"


@pytest.fixture
def client():
    return AwsSession(Aws("eu-west-1", None), DryRun()).sagemaker_client


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("my_dogs", "EndpointName is 'my_dogs'; it may have only letters, digits and hyphens"),
        ("-dogs", "may have only letters"),
        ("d" * 64, "it has 64 characters, and 63 is the most"),
    ],
)
def test_names_that_sagemaker_refuses_are_refused(client, name, reason):
    with pytest.raises(SettingError, match=reason):
        client.create_endpoint(EndpointName=name, EndpointConfigName="dogs")


def test_values_within_structures_lists_and_maps_are_checked(client):
    model = {"ModelName": "dogs", "ExecutionRoleArn": _ROLE}
    with pytest.raises(SettingError, match=r"PrimaryContainer\.ModelDataUrl is 'dogs'; it must match \(https\|s3\)"):
        client.create_model(**model, PrimaryContainer={"Image": "dogs", "ModelDataUrl": "dogs"})
    with pytest.raises(SettingError, match=r"the name in PrimaryContainer\.Environment is 'A-B'"):
        client.create_model(**model, PrimaryContainer={"Image": "dogs", "Environment": {"A-B": "1"}})
    with pytest.raises(SettingError, match=r"VpcConfig\.Subnets\[0\] is 'subnet 1'"):
        client.create_model(**model, VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet 1"]})
    with pytest.raises(SettingError, match=r"ExecutionRoleArn is 'slipway'; it has 7 characters, and 20 is the least"):
        client.create_model(ModelName="dogs", ExecutionRoleArn="slipway")


def test_numbers_out_of_range_are_refused(client):
    variant = {"VariantName": "all", "ModelName": "dogs", "ServerlessConfig": {"MemorySizeInMB": 99999}}
    variant["ServerlessConfig"]["MaxConcurrency"] = 1
    with pytest.raises(SettingError, match=r"ProductionVariants\[0\]\.ServerlessConfig\.MemorySizeInMB is 99999"):
        client.create_endpoint_config(EndpointConfigName="dogs", ProductionVariants=[variant])


def test_an_instance_type_that_botocore_does_not_know_yet_passes(client):
    variant = {"VariantName": "all", "ModelName": "dogs", "InstanceType": "ml.g99.xlarge", "InitialInstanceCount": 1}
    client.create_endpoint_config(EndpointConfigName="dogs", ProductionVariants=[variant])
