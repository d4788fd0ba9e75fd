"""`slipway deploy`: deploys a model to a SageMaker endpoint, or serves it in Docker on this machine."""

from typing import TYPE_CHECKING, Any

import click

from slipway.aws.dry_run import DryRun
from slipway.aws.session import is_local
from slipway.deploy.docker import serve_in_docker
from slipway.deploy.options import DeployOptions, deploy_options
from slipway.errors import SettingError
from slipway.options.aws import dry_run_option, profile_option, region_option, show_requests
from slipway.options.names import endpoint_name
from slipway.options.result import Result, json_option, result
from slipway.requests.missing import Missing
from slipway.terminal.console import say

if TYPE_CHECKING:
    from slipway.aws.session import AnySession


@click.command(
    epilog="\b\nExample:\n"
    "  slipway deploy slipway-resnet50-2026-11-24-10-00-00-000 --instance-type ml.g4dn.xlarge --name dogs\n"
    "  slipway deploy digits-job --instance-type local\n"
    "  slipway predict --endpoint dogs labrador.jpg\n"
    "  slipway deploy --delete dogs",
)
@click.argument("model", required=False)
@deploy_options
@click.option(
    "--shift", "shifts", multiple=True, metavar="NAME=WEIGHT", help="Only change a variant's weight; repeatable."
)
@click.option(
    "--delete",
    metavar="NAME",
    callback=endpoint_name,
    help="Delete an endpoint with its autoscaling, configuration and models.",
)
@json_option("the endpoint, or what was deleted or shifted,")
@region_option
@profile_option
@dry_run_option
def deploy(
    model: str | None,
    shifts: tuple[str, ...],
    delete: str | None,
    as_json: bool,
    region: str | None,
    profile: str | None,
    dry_run: bool,
    **given: Any,
) -> None:
    """Deploy MODEL to an endpoint: s3://…/model.tar.gz, the name of a training job, or a local job directory, model
    directory or model.tar.gz.

    An endpoint with instances costs money until it is deleted, even when idle. With --instance-type local, the
    container runs in Docker on this machine until Ctrl-C. docs/deploying.md covers every kind of endpoint.
    """
    options = DeployOptions.take(given)
    _check_usage(model, options, shifts, delete)
    # An existing endpoint, whatever instance type is configured for new ones.
    named = delete is not None or bool(shifts)
    with result(as_json) as answer:
        if is_local(options.instance_type) and not named:
            if dry_run:
                raise click.UsageError("--dry-run shows requests to AWS, and local mode makes none.")
            serve_in_docker(str(model), options, region, profile, answer)
            return
        missing = Missing(dry_run=dry_run)
        # Only AWS knows where a job's model is.
        recorded = DryRun(passing=("DescribeTrainingJob",)) if dry_run else None
        session = missing.session(region, profile, recorded)
        if named:
            missing.require()
            if delete:
                _delete(session, delete, answer, quiet=dry_run)
            else:
                _shift(session, options.name, shifts, answer, quiet=dry_run)
        else:
            from slipway.deploy.deployment import deploy_model

            deploy_model(session, model, options, missing, answer, quiet=dry_run)
        if recorded is not None:
            show_requests(recorded, missing, answer)


def _check_usage(model: str | None, options: DeployOptions, shifts: tuple[str, ...], delete: str | None) -> None:
    targets = {"MODEL": model, "--variant": options.variants, "--multi-model": options.multi_model}
    targets |= {"--shift": shifts, "--delete": delete}
    named = [name for name, value in targets.items() if value]
    if len(named) != 1:
        found = " and ".join(named) or "nothing"
        raise click.UsageError(f"Name one of {', '.join(targets)}: {found} is given.")
    if delete:
        return
    if shifts:
        if not options.name:
            raise click.UsageError("--shift needs the endpoint: --name NAME.")
        return
    if options.serverless and options.instance_type:
        raise click.UsageError("--serverless has no instances; omit --instance-type.")
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
        raise click.UsageError("--alarm is for --rollout; add --rollout canary:10, linear:25 or all-at-once.")


def _delete(session: "AnySession", name: str, answer: Result, *, quiet: bool) -> None:
    from slipway.hosting.endpoint import delete_endpoint

    removed = delete_endpoint(session, name)
    if quiet:
        return
    for what in removed:
        say(f"Deleted the {what}")
    answer.add(endpoint=name, deleted=removed)


def _shift(session: "AnySession", name: str | None, shifts: tuple[str, ...], answer: Result, *, quiet: bool) -> None:
    from slipway.hosting.rollout import shift_traffic

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
        answer.add(endpoint=name, weights=weights)
