"""Options of `slipway deploy`."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import click

from slipway.options.aws import instance_type_option, role_option
from slipway.options.cloud import CloudOptions, cloud_options
from slipway.options.names import endpoint_name

_MODEL_OPTIONS = (
    instance_type_option("Serve"),
    click.option(
        "--name", metavar="NAME", callback=endpoint_name, help="Name of the endpoint.  [default: made from the time]"
    ),
    click.option("--instance-count", type=click.IntRange(1), default=1, show_default=True, help="Number of instances."),
    click.option("--serverless", is_flag=True, help="Serverless endpoint: pay per request, with cold starts."),
    click.option("--memory", type=int, default=3072, show_default=True, metavar="MB", help="Memory of --serverless."),
    click.option(
        "--max-concurrency",
        type=int,
        default=5,
        show_default=True,
        metavar="N",
        help="Concurrent requests of --serverless.",
    ),
    click.option(
        "--async", "asynchronous", is_flag=True, help="Asynchronous endpoint: requests and answers in S3, up to 1 GB."
    ),
    click.option(
        "--output", metavar="S3", help="With --async: where answers go.  [default: s3://BUCKET/jobs/async/NAME/output]"
    ),
    click.option(
        "--variant",
        "variants",
        multiple=True,
        metavar="NAME=MODEL:WEIGHT",
        help="Instead of MODEL: a production variant; give two or more.",
    ),
    click.option("--multi-model", metavar="S3PREFIX", help="Instead of MODEL: all archives below an S3 address."),
    click.option(
        "--autoscale", metavar="MIN:MAX", help="Autoscale between MIN and MAX instances; MIN may be 0 with --async."
    ),
    click.option(
        "--invocations-per-minute",
        type=click.FloatRange(0, min_open=True),
        default=600,
        show_default=True,
        metavar="N",
        help="Target load of one instance for --autoscale.",
    ),
    click.option(
        "--capture",
        type=click.IntRange(1, 100),
        metavar="PERCENT",
        help="Percentage of requests and answers to record in S3 (data capture).",
    ),
    click.option("--update", is_flag=True, help="Put this model behind an existing endpoint, without downtime."),
    click.option(
        "--rollout", metavar="KIND", help="With --update: all-at-once, canary:PERCENT or linear:PERCENT of the traffic."
    ),
    click.option(
        "--alarm",
        "alarms",
        multiple=True,
        metavar="NAME",
        help="CloudWatch alarm that rolls the update back; repeatable.",
    ),
    click.option("--no-wait", is_flag=True, help="Start the deployment without waiting for it."),
)
_AWS_OPTIONS = (
    click.option(
        "--image",
        metavar="IMAGE",
        envvar="SLIPWAY_SERVE_IMAGE",
        help="Address or tag of the serving image; serve or serve-cpu for the last of that kind.  [default: what "
        "push.sh pushed last, on instances without GPUs the image for CPUs if the model needs no torch]",
    ),
    role_option,
    cloud_options,
    click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port in local mode."),
)


@dataclass(frozen=True, kw_only=True)
class DeployOptions:
    """The options of `slipway deploy` that describe the model and its endpoint."""

    instance_type: str | None
    name: str | None
    instance_count: int
    serverless: bool
    memory: int
    max_concurrency: int
    asynchronous: bool
    output: str | None
    variants: tuple[str, ...]
    multi_model: str | None
    autoscale: str | None
    invocations_per_minute: float
    capture: int | None
    update: bool
    rollout: str | None
    alarms: tuple[str, ...]
    no_wait: bool
    image: str | None
    role: str | None
    cloud: CloudOptions
    port: int

    @classmethod
    def take(cls, given: dict[str, Any]) -> "DeployOptions":
        """Remove these options from a command's, and return them."""
        return cls(**{field.name: given.pop(field.name) for field in fields(cls)})


def deploy_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `DeployOptions` to a command."""
    for option in reversed((*_MODEL_OPTIONS, *_AWS_OPTIONS)):
        command = option(command)
    return command
