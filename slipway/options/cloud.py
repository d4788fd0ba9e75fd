"""The options of every command that starts something on SageMaker: bucket, network, encryption and tags."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import click

from slipway.checks.instance_type import has_own_disk
from slipway.errors import SettingError

_OPTIONS = (
    click.option(
        "--bucket",
        metavar="NAME",
        envvar="SLIPWAY_BUCKET",
        help="Bucket for outputs, and for a model of this machine, below jobs/.  [default: the data's or the model's]",
    ),
    click.option("--subnet", "subnets", multiple=True, metavar="ID", help="VPC subnet; repeatable."),
    click.option(
        "--security-group", "security_groups", multiple=True, metavar="ID", help="VPC security group; repeatable."
    ),
    click.option("--network-isolation", is_flag=True, help="Run the containers without network access."),
    click.option(
        "--kms-key",
        metavar="KEY",
        help="KMS key for outputs and the instances' volumes (local instance storage has its own).",
    ),
    click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="Tag of what is created; repeatable."),
)

max_run_option = click.option(
    "--max-run",
    type=click.IntRange(1),
    metavar="SECONDS",
    help="Stop a training job after this many seconds.  [default: 1 day]",
)


@dataclass(frozen=True, kw_only=True)
class CloudOptions:
    """The values of the options."""

    bucket: str | None
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    network_isolation: bool
    kms_key: str | None
    tags: tuple[str, ...]

    def api_tags(self) -> list[dict[str, str]]:
        """Return the tags in the form of AWS's API.

        Raises:
            SettingError: One is not KEY=VALUE.
        """
        for text in self.tags:
            if "=" not in text[1:]:
                raise SettingError(f"--tag is {text!r}; write it like --tag team=dogs")
        return [{"Key": key, "Value": value} for key, _, value in (text.partition("=") for text in self.tags)]

    def volume_key(self, instance_type: str | None) -> str | None:
        """Return the key for the volumes; none for local instance storage, which cannot have one."""
        return None if has_own_disk(instance_type) else self.kms_key

    def estimator_arguments(self, instance_type: str | None) -> dict[str, Any]:
        """Build arguments of `Estimator`; what is not given is omitted, so that the default holds.

        Raises:
            SettingError: A tag is not KEY=VALUE.
        """
        found = {
            "bucket": self.bucket,
            "subnets": list(self.subnets),
            "security_group_ids": list(self.security_groups),
            "enable_network_isolation": self.network_isolation,
            "output_kms_key": self.kms_key,
            "volume_kms_key": self.volume_key(instance_type),
            "tags": self.api_tags(),
        }
        return {name: value for name, value in found.items() if value}

    def model_arguments(self) -> dict[str, Any]:
        """Build arguments of `Model` for the network; what is not given is omitted."""
        found: dict[str, Any] = {}
        if self.subnets or self.security_groups:
            found["vpc_config"] = {"Subnets": list(self.subnets), "SecurityGroupIds": list(self.security_groups)}
        if self.network_isolation:
            found["enable_network_isolation"] = True
        return found


CLOUD_NAMES = tuple(field.name for field in fields(CloudOptions))
"""Names of the options as click's parameters."""


def cloud_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command, which takes them as one argument, `cloud`."""

    @functools.wraps(command)
    def gathered(**given: Any) -> None:
        command(cloud=CloudOptions(**{name: given.pop(name) for name in CLOUD_NAMES}), **given)

    found: Callable[..., None] = gathered
    for option in reversed(_OPTIONS):
        found = option(found)
    return found
