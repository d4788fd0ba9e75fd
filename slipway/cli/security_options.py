"""Options for the network, the encryption and the tags of what is created on SageMaker."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from slipway.errors import SettingError

_OPTIONS = (
    click.option("--subnet", "subnets", multiple=True, metavar="ID", help="VPC subnet; repeatable."),
    click.option(
        "--security-group", "security_groups", multiple=True, metavar="ID", help="VPC security group; repeatable."
    ),
    click.option("--network-isolation", is_flag=True, help="Run the container without network access."),
    click.option("--kms-key", metavar="KEY", help="KMS key for the instances' volumes."),
    click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Tag of everything created; repeatable."),
)


def security_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command: subnets, security_groups, network_isolation, kms_key and tags."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def network_arguments(subnets: Sequence[str], security_groups: Sequence[str], isolated: bool) -> dict[str, Any]:
    """Build the arguments of `Model` for the options."""
    found: dict[str, Any] = {}
    if subnets or security_groups:
        found["vpc_config"] = {"Subnets": list(subnets), "SecurityGroupIds": list(security_groups)}
    if isolated:
        found["enable_network_isolation"] = True
    return found


def as_tags(texts: Sequence[str]) -> list[dict[str, str]]:
    """Return the tags in the form of AWS's API.

    Raises:
        SettingError: One is not KEY=VALUE.
    """
    for text in texts:
        if "=" not in text[1:]:
            raise SettingError(f"--tag is {text!r}; write it like --tag team=dogs")
    return [{"Key": key, "Value": value} for key, _, value in (text.partition("=") for text in texts)]
