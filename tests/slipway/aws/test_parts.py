"""Tags, and addresses in the console."""

from importlib.metadata import version

import pytest

from slipway.aws.console_address import console_address, log_address
from slipway.aws.tags import with_own_tag

OWN = {"Key": "slipway", "Value": version("slipway")}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, []),
        ([{"Key": "team", "Value": "vision"}], [{"Key": "team", "Value": "vision"}]),
        ({"team": "vision", "stage": "dev"}, [{"Key": "team", "Value": "vision"}, {"Key": "stage", "Value": "dev"}]),
        ({"Key": "team", "Value": "vision"}, [{"Key": "team", "Value": "vision"}]),
        ([OWN], []),
    ],
)
def test_our_tag_joins_the_users_in_each_form_that_the_sdk_takes(given, expected):
    assert with_own_tag(given) == [*expected, OWN]


@pytest.mark.parametrize(
    ("region", "start"),
    [
        ("eu-west-1", "https://eu-west-1.console.aws.amazon.com/sagemaker/home?region=eu-west-1#/"),
        ("cn-north-1", "https://console.amazonaws.cn/sagemaker/home?region=cn-north-1#/"),
        ("us-gov-west-1", "https://console.amazonaws-us-gov.com/sagemaker/home?region=us-gov-west-1#/"),
    ],
)
def test_the_console_is_the_partitions(region, start):
    assert console_address("training job", "dogs-1", region) == f"{start}jobs/dogs-1"
    assert console_address("endpoint", "dogs", region) == f"{start}endpoints/dogs"


def test_a_log_groups_page():
    address = log_address("/aws/sagemaker/TrainingJobs", "eu-west-1")
    assert address.endswith("#logsV2:log-groups/log-group/$252Faws$252Fsagemaker$252FTrainingJobs")
