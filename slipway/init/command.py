"""`slipway init`: creates bucket, execution role and slipway.toml after confirmation."""

from typing import TYPE_CHECKING

import click

from slipway.aws.connection import Aws
from slipway.aws.dry_run import ACCOUNT, DryRun
from slipway.errors import SettingError
from slipway.options.aws import not_confirmed, profile_option, region_option, show_requests
from slipway.options.result import Result, json_option, result
from slipway.terminal.console import say

if TYPE_CHECKING:
    from slipway.init.plan import Plan, Wanted
    from slipway.init.settings_file import SettingsFile

_REGION = "us-east-1"
"""Placeholder for the user's region in a dry run."""


@click.command(
    epilog="\b\nExample:\n  slipway init --region eu-west-1 --dry-run\n"
    "  slipway init --region eu-west-1 --bucket my-dogs",
)
@click.option(
    "--bucket",
    metavar="NAME",
    envvar="SLIPWAY_BUCKET",
    help="Bucket for data and outputs.  [default: slipway-ACCOUNT-REGION]",
)
@click.option(
    "--role-name", metavar="NAME", default="slipway-execution", show_default=True, help="Name of the execution role."
)
@click.option(
    "--repository", metavar="NAME", default="slipway", show_default=True, help="Repository of the images in ECR."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the exact API requests for an account in which nothing is there yet; needs no credentials.",
)
@json_option("what is there and what was created")
@region_option
@profile_option
def init(
    bucket: str | None,
    role_name: str,
    repository: str,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    region: str | None,
    profile: str | None,
) -> None:
    """Create what jobs on SageMaker need and is missing: a bucket, an execution role and a slipway.toml.

    The bucket is private and encrypted; the role has the policies of docs/iam.md: it reaches this bucket and the images
    in one repository. What is there already is used. slipway.toml gets the keys that it lacks; none is changed.
    """
    from slipway.init.plan import Wanted, make_plan

    with result(as_json) as answer:
        wanted = Wanted(bucket=bucket, role_name=role_name, repository=repository)
        if dry_run:
            _show_dry_run(wanted, region, profile, answer)
            return
        aws = Aws(region, profile)
        plan = make_plan(aws, wanted)
        file = _settings_file(plan, profile)
        place, created = plan.place, list[str]()
        answer.add(account=place.account, region=place.region, bucket=place.bucket, role=place.role_arn)
        answer.add(file=str(file.path), found=list(plan.kept), created=created)
        for text in plan.kept:
            say(text)
        for name, value in file.differing.items():
            say(f"note: {file.path} has {name} = {value!r}, which stays")
        if not plan.steps and not file.missing:
            say("Nothing is missing.")
            answer.next("slipway doctor")
            return
        say(f"To be created in account {plan.place.account}, {aws.region}:")
        for text, _ in plan.steps:
            say(f"  {text}")
        if file.missing:
            say(f"  {file.path}{'' if file.text is None else ': ' + ', '.join(file.missing)}")
        if not yes and not click.confirm("Create it?"):
            not_confirmed()
        for text, step in plan.steps:
            step()
            say(f"created: {text}")
            created.append(text)
        if file.missing:
            file.write()
            say(f"written: {file.path}")
            created.append(str(file.path))
        answer.next(f"./build.sh && ./push.sh --region {aws.region}", "slipway doctor")


def _show_dry_run(wanted: "Wanted", region: str | None, profile: str | None, answer: Result) -> None:
    from slipway.init.plan import make_plan

    placeholders = [f"{ACCOUNT} for your account"]
    try:
        aws = Aws(region, profile)
    except SettingError:
        if region:
            raise
        aws = Aws(_REGION, profile)
        placeholders.append(f"{_REGION} for your region (--region)")
    recorded = DryRun()
    recorded.attach(aws)
    plan = make_plan(aws, wanted, ACCOUNT)
    for _, step in plan.steps:
        step()
    show_requests(recorded, answer=answer)
    file = _settings_file(plan, profile)
    if file.missing:
        say(f"{file.path}:\n{file.new_text.rstrip()}")
    say(f"note: placeholders: {', '.join(placeholders)}. Nothing was created.")


def _settings_file(plan: "Plan", profile: str | None) -> "SettingsFile":
    from slipway.init.settings_file import SettingsFile

    keys = {"region": plan.place.region, "role": plan.place.role_arn, "bucket": plan.place.bucket}
    return SettingsFile.plan({**keys, **({"profile": profile} if profile else {})})
