"""`slipway deploy`: a model behind an endpoint of SageMaker, or in Docker in the SDK's local mode."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from slipway.aws.dry_run import DryRun
from slipway.aws.session import is_local, local_session, session_for
from slipway.cli.aws_options import (
    dry_run_option,
    instance_type_option,
    profile_option,
    region_option,
    role_option,
    show_requests,
)
from slipway.cli.console import say
from slipway.errors import SettingError

if TYPE_CHECKING:
    from sagemaker.session import Session

_MODEL_OPTIONS = (
    instance_type_option("Serve"),
    click.option("--name", metavar="NAME", help="The endpoint's.  [default: made of the time]"),
    click.option("--instance-count", type=click.IntRange(1), default=1, show_default=True, help="Instances to start."),
    click.option("--serverless", is_flag=True, help="No instances: pay for each request, wait for a cold start."),
    click.option("--memory", type=int, default=3072, show_default=True, metavar="MB", help="Of --serverless."),
    click.option("--max-concurrency", type=int, default=5, show_default=True, metavar="N", help="Of --serverless."),
    click.option("--async", "asynchronous", is_flag=True, help="Requests and answers go through S3, up to 1 GB."),
    click.option(
        "--output", metavar="S3", help="Of --async: where answers go.  [default: s3://BUCKET/jobs/async/NAME/output]"
    ),
    click.option(
        "--variant",
        "variants",
        multiple=True,
        metavar="NAME=MODEL:WEIGHT",
        help="In place of MODEL: one of several models behind the endpoint; give two or more.",
    ),
    click.option("--multi-model", metavar="S3PREFIX", help="In place of MODEL: all archives below an S3 address."),
    click.option("--autoscale", metavar="MIN:MAX", help="Scale the instances; MIN may be 0 with --async."),
    click.option(
        "--invocations-per-minute",
        type=click.FloatRange(0, min_open=True),
        default=600,
        show_default=True,
        metavar="N",
        help="Of one instance, which --autoscale tries to hold.",
    ),
    click.option("--capture", type=click.IntRange(1, 100), metavar="PERCENT", help="Keep so many requests in S3."),
    click.option("--update", is_flag=True, help="The endpoint is there already; it serves until this model does."),
    click.option(
        "--rollout", metavar="KIND", help="Of --update: all-at-once, canary:PERCENT or linear:PERCENT of the traffic."
    ),
    click.option("--alarm", "alarms", multiple=True, metavar="NAME", help="CloudWatch alarm that rolls it back."),
    click.option("--no-wait", is_flag=True, help="Start it and return."),
)
_AWS_OPTIONS = (
    click.option(
        "--image",
        metavar="IMAGE",
        envvar="SLIPWAY_SERVE_IMAGE",
        help="Address or tag of the serving image.  [default: what push.sh pushed last]",
    ),
    click.option("--bucket", metavar="NAME", envvar="SLIPWAY_BUCKET", help="For a model of this machine, and outputs."),
    role_option,
    click.option("--subnet", "subnets", multiple=True, metavar="ID", help="Of a VPC; may be given again."),
    click.option("--security-group", "security_groups", multiple=True, metavar="ID", help="Likewise."),
    click.option("--network-isolation", is_flag=True, help="The container reaches no network."),
    click.option("--kms-key", metavar="KEY", help="Encrypts the instances' disks."),
    click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="On all that is made; may be given again."),
    click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Of local mode."),
)


@dataclass(frozen=True, kw_only=True)
class DeployOptions:
    """What `slipway deploy` was told of the model and its endpoint."""

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
    bucket: str | None
    role: str | None
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]
    network_isolation: bool
    kms_key: str | None
    tags: tuple[str, ...]
    port: int

    @classmethod
    def take(cls, given: dict[str, Any]) -> "DeployOptions":
        """Take them out of a command's options."""
        return cls(**{field.name: given.pop(field.name) for field in fields(cls)})

    @property
    def own_tags(self) -> list[dict[str, str]]:
        """As AWS takes them."""
        for text in self.tags:
            if "=" not in text[1:]:
                raise SettingError(f"--tag is {text!r}; write it like --tag team=dogs")
        return [{"Key": key, "Value": value} for key, _, value in (text.partition("=") for text in self.tags)]


def _deploy_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed((*_MODEL_OPTIONS, *_AWS_OPTIONS)):
        command = option(command)
    return command


@click.command(
    short_help="Put a model behind an endpoint.",
    epilog="\b\nExample:\n"
    "  slipway deploy slipway-resnet50-2026-11-24-10-00-00-000 --instance-type ml.g4dn.xlarge --name dogs\n"
    "  slipway deploy digits-job --instance-type local\n"
    "  slipway predict --endpoint dogs labrador.jpg\n"
    "  slipway deploy --delete dogs",
)
@click.argument("model", required=False)
@_deploy_options
@click.option("--shift", "shifts", multiple=True, metavar="NAME=WEIGHT", help="Only change a variant's weight.")
@click.option("--delete", metavar="NAME", help="Delete an endpoint with its scaling, configuration and models.")
@region_option
@profile_option
@dry_run_option
def deploy(
    model: str | None,
    shifts: tuple[str, ...],
    delete: str | None,
    region: str | None,
    profile: str | None,
    dry_run: bool,
    **given: Any,
) -> None:
    """Put MODEL behind an endpoint: s3://…/model.tar.gz, the name of a training job, or a job directory, model
    directory or model.tar.gz of this machine.

    An endpoint with instances costs money until it is deleted, whether it is asked or not. Where the instance type is
    local, the container runs in Docker on this machine until Ctrl-C. docs/deploying.md has every kind.
    """
    options = DeployOptions.take(given)
    _check_one_wish(model, options, shifts, delete)
    # The SDK says that it makes a model: so do we.
    logging.getLogger("sagemaker").setLevel(logging.WARNING)
    named = delete is not None or bool(shifts)  # an endpoint that is there, whatever new ones shall be
    if is_local(options.instance_type) and not named:
        if dry_run:
            raise click.UsageError("--dry-run shows requests to AWS, and local mode makes none.")
        _serve_in_local_mode(str(model), options)
        return
    # What a job made is only known to AWS.
    recorded = DryRun(passing=("DescribeTrainingJob",)) if dry_run else None
    session = session_for(None if named else options.instance_type, region=region, profile=profile, dry_run=recorded)
    if delete:
        _delete(session, delete, quiet=dry_run)
    elif shifts:
        _shift(session, options.name, shifts, quiet=dry_run)
    else:
        from slipway.cli.deploy_model import deploy_model

        deploy_model(session, model, options, quiet=dry_run)
    if recorded is not None:
        show_requests(recorded)


def _check_one_wish(model: str | None, options: DeployOptions, shifts: tuple[str, ...], delete: str | None) -> None:
    wishes = {"MODEL": model, "--variant": options.variants, "--multi-model": options.multi_model}
    wishes |= {"--shift": shifts, "--delete": delete}
    named = [name for name, value in wishes.items() if value]
    if len(named) != 1:
        found = " and ".join(named) or "nothing"
        raise click.UsageError(f"Name one of {', '.join(wishes)}: {found} is given.")
    if delete:
        return
    if shifts:
        if not options.name:
            raise click.UsageError("--shift needs the endpoint: --name NAME.")
        return
    if options.serverless and options.instance_type:
        raise click.UsageError("--serverless has no instances; leave --instance-type away.")
    if not options.serverless and not options.instance_type:
        raise click.UsageError(
            "Name --instance-type, such as ml.g4dn.xlarge, or --serverless. To serve on this machine: slipway serve "
            f"{model or 'MODEL'}, or --instance-type local for the container in Docker."
        )
    if is_local(options.instance_type) and not model:
        raise click.UsageError("local mode serves one MODEL.")
    if options.update and not options.name:
        raise click.UsageError("--update needs the endpoint: --name NAME.")
    if options.alarms and not options.rollout:
        raise click.UsageError("--alarm is of --rollout; add --rollout canary:10, linear:25 or all-at-once.")


def _delete(session: "Session", name: str, *, quiet: bool) -> None:
    from slipway.predictor import Predictor

    for what in Predictor(name, session).delete():
        if not quiet:
            say(f"Deleted the {what}")


def _shift(session: "Session", name: str | None, shifts: tuple[str, ...], *, quiet: bool) -> None:
    from slipway.deploy.rollout import shift_traffic

    weights = {}
    for text in shifts:
        variant, _, weight = text.partition("=")
        try:
            weights[variant] = float(weight)
        except ValueError as error:
            raise SettingError(f"--shift is {text!r}; write it like --shift new=1") from error
    shift_traffic(session, str(name), weights)
    if not quiet:
        say(f"Shifting the traffic of {name}: {', '.join(f'{key} {value:g}' for key, value in weights.items())}")


def _serve_in_local_mode(model: str, options: DeployOptions) -> None:
    from slipway.deploy.local import wait_while_serving
    from slipway.model import Model

    unused: dict[str, object] = {"--serverless": options.serverless, "--async": options.asynchronous}
    unused |= {"--autoscale": options.autoscale, "--capture": options.capture}
    unused |= {"--update": options.update, "--no-wait": options.no_wait}
    if found := [name for name, value in unused.items() if value]:
        raise click.UsageError(f"local mode is one container that serves until Ctrl-C; it has no {', '.join(found)}.")
    session = local_session(serving_port=options.port)
    arguments = {"image_uri": options.image, "sagemaker_session": session}
    made = Model(model, **arguments) if model.startswith("s3://") else Model.from_directory(model, **arguments)
    predictor = made.deploy(1, options.instance_type, endpoint_name=options.name)
    try:
        url = f"http://127.0.0.1:{options.port}"
        say(f"Serving {model} in Docker at {url}; Ctrl-C stops it")
        say(f"Next, in another terminal: slipway predict PICTURE --url {url}")
        wait_while_serving(session)
    except KeyboardInterrupt:
        say("Stopping")
    finally:
        predictor.delete()
