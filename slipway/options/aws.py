"""Options that the commands for SageMaker share."""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import click
from click.core import ParameterSource

from slipway.aws.dry_run import DryRun
from slipway.aws.session import is_local
from slipway.options.result import Result
from slipway.requests.missing import Missing
from slipway.terminal.console import say

_HERE = "here"
"""Value of --instance-type for this machine, where slipway.toml names a type."""

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

region_option = click.option(
    "--region",
    metavar="REGION",
    envvar="SLIPWAY_REGION",
    help="AWS region.  [default: AWS_REGION, AWS_DEFAULT_REGION, the profile's]",
)
profile_option = click.option(
    "--profile", metavar="NAME", envvar="SLIPWAY_PROFILE", help="Profile of ~/.aws/config.  [default: AWS_PROFILE]"
)
role_option = click.option(
    "--role",
    metavar="ARN",
    envvar="SLIPWAY_ROLE",
    help="Execution role that SageMaker assumes (docs/iam.md); not needed in local mode.",
)
dry_run_option = click.option(
    "--dry-run",
    is_flag=True,
    help="Print the exact API requests, validated, without sending any; needs no credentials.",
)

training_image_option = click.option(
    "--image",
    metavar="IMAGE",
    envvar="SLIPWAY_TRAIN_IMAGE",
    help="Address or tag of the training image.  [default: what push.sh pushed last]",
)


def instance_type_option(what: str) -> Decorator:
    """The option `--instance-type`, without which a command runs on this machine.

    Args:
        what: Verb for the help: what the command does on SageMaker.
    """
    return click.option(
        "--instance-type",
        metavar="TYPE",
        callback=lambda _context, _parameter, value: None if value in ("", _HERE) else value,
        help=f"{what} on SageMaker, such as ml.g4dn.xlarge; local or local_gpu: in Docker on this machine; {_HERE}: in "
        "a process of this machine, the default.",
    )


def chosen_type(instance_type: str | None, *data: str | None) -> str | None:
    """Return the instance type, or None to run on this machine.

    A type of SageMaker's from slipway.toml or the environment is for data in S3: with folders of this machine, which
    SageMaker cannot read, the command runs here, and says so.

    Args:
        instance_type: The option's value.
        data: The folders and addresses that the command reads.
    """
    given = click.get_current_context().get_parameter_source("instance_type") is ParameterSource.COMMANDLINE
    named = [text for text in data if text]
    if not instance_type or given or is_local(instance_type) or not named:
        return instance_type
    if any(text.startswith("s3://") for text in named):
        return instance_type
    click.echo(
        f"note: {named[0]} is on this machine, and so the command runs here; the configured instance type "
        f"{instance_type} is for data in S3",
        err=True,
    )
    return None


def given_options(names: Iterable[str]) -> list[str]:
    """List those of the running command's options that stand on its command line.

    Args:
        names: Names of click's parameters; slipway.toml and the environment, which are for all runs, do not count.
    """
    context, wanted = click.get_current_context(), set(names)
    return [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in wanted and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]


def refuse_here(names: Iterable[str]) -> None:
    """Refuse, as wrong usage, options that are for SageMaker alone where there is no instance type."""
    if given := given_options(names):
        raise click.UsageError(
            f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} for SageMaker: add --instance-type."
        )


def require_in_s3(data: str) -> None:
    """Refuse data that SageMaker cannot read, as wrong usage."""
    if not data.startswith("s3://"):
        raise click.UsageError(f"{data} is not an S3 address; upload it first: slipway data upload {data} s3://…")


def show_requests(dry_run: DryRun, missing: Missing | None = None, answer: Result | None = None) -> None:
    """Print the requests that a dry run would have sent, one JSON object after another.

    On the standard error, it lists the settings that placeholders stand for.

    Args:
        dry_run: The dry run.
        missing: The settings.
        answer: Keeps both for `--json`.
    """
    if answer is not None:
        answer.add(requests=[json.loads(str(request)) for request in dry_run.writes])
        if missing is not None:
            answer.add(placeholders={setting.placeholder: str(setting) for setting in missing.settings})
    for request in dry_run.writes:
        say(str(request))
    if missing is not None and missing.settings:
        click.echo("Placeholders stand for what is not named; without --dry-run it is needed:", err=True)
        for setting in missing.settings:
            click.echo(f"  {setting.placeholder}: {setting}", err=True)


def not_confirmed() -> NoReturn:
    """Exit from a command whose confirmation was declined."""
    say("Nothing was changed.")
    sys.exit(1)
