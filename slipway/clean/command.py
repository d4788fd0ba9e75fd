"""`slipway clean`: lists what Slipway left in the account, and deletes it after confirmation."""

import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.options.aws import not_confirmed, profile_option, region_option, show_requests
from slipway.options.result import Result, json_option, result
from slipway.terminal.console import complain, say, say_table

if TYPE_CHECKING:
    from slipway.clean.resource import Resource

_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0}


def _age(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    if not value:
        return None
    match = re.fullmatch(r"(\d+)([hdw])", value)
    if not match:
        raise click.BadParameter(f"{value!r} is not an age; write it like 12h, 7d or 2w")
    return int(match[1]) * _DAYS[match[2]]


@click.command(
    epilog="\b\nExample:\n  slipway clean --dry-run\n  slipway clean --endpoints\n"
    "  slipway clean --outputs --older-than 4w",
)
@click.option("--endpoints", is_flag=True, help="Endpoints with their configurations and autoscaling.")
@click.option("--models", is_flag=True, help="Models in SageMaker; their archives in S3 are outputs.")
@click.option("--logs", is_flag=True, help="Log streams of finished jobs, log groups of endpoints.")
@click.option("--outputs", is_flag=True, help="Outputs of jobs in S3, including model archives.")
@click.option("--stop-jobs", is_flag=True, help="Also stop running jobs.")
@click.option(
    "--older-than", "age_days", metavar="AGE", callback=_age, help="Only what is older than this: 12h, 7d, 2w."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--dry-run", is_flag=True, help="List, and print the exact API requests, without deleting anything.")
@json_option("what is found, deleted and left")
@region_option
@profile_option
def clean(
    endpoints: bool,
    models: bool,
    logs: bool,
    outputs: bool,
    stop_jobs: bool,
    age_days: float | None,
    yes: bool,
    dry_run: bool,
    as_json: bool,
    region: str | None,
    profile: str | None,
) -> None:
    """List what Slipway created in one region of the account, ask for confirmation, and delete it.

    Resources that cost money by the hour are listed first.

    Without --endpoints, --models, --logs and --outputs, all four are selected. Only resources with the tag slipway, and
    what belongs to them, are listed; data below dogImages/ never is.
    """
    from slipway.clean.delete import delete
    from slipway.clean.find import READS, Selection, find, older_than

    every = not (endpoints or models or logs or outputs)
    selection = Selection(
        endpoints=endpoints or every,
        models=models or every,
        logs=logs or every,
        outputs=outputs or every,
        stop_jobs=stop_jobs,
        before=None if age_days is None else older_than(age_days),
    )
    aws = Aws(region, profile)
    recorded = DryRun(passing=READS)
    if dry_run:
        recorded.attach(aws)
    found = find(aws, selection)
    with result(as_json) as answer:
        for text in found.kept:
            say(f"note: {text}")
        answer.add(region=aws.region, found=[_as_json(one) for one in found.resources], kept=list(found.kept))
        if not found.resources:
            say(f"There is nothing to delete in {aws.region}.")
            return
        _show(found.resources)
        if dry_run:
            delete(aws, found.resources, lambda resource: None)
            show_requests(recorded, answer=answer)
            return
        if not yes and not click.confirm(f"Delete these {len(found.resources)} in {aws.region}?"):
            not_confirmed()
        sys.exit(1 if _delete(aws, found.resources, answer) else 0)


def _delete(aws: Aws, resources: Sequence["Resource"], answer: Result) -> int:
    """Delete resources, and return how many remain."""
    from slipway.clean.delete import delete

    deleted: list[dict[str, Any]] = []
    answer.add(deleted=deleted)

    def done(resource: "Resource") -> None:
        say(f"deleted: {resource.kind} {resource.name}")
        deleted.append({"kind": resource.kind, "name": resource.name})

    remains = delete(aws, resources, done)
    for item in remains:
        complain(f"{item.resource.kind} {item.resource.name} remains: {item.reason}")
    left = [{"kind": item.resource.kind, "name": item.resource.name, "reason": item.reason} for item in remains]
    answer.add(remaining=left)
    return len(left)


def _as_json(resource: "Resource") -> dict[str, Any]:
    return {
        "kind": resource.kind,
        "name": resource.name,
        "created": resource.created.isoformat(),
        "detail": resource.detail,
        "costs_now": resource.costs_now,
    }


def _show(resources: Sequence["Resource"]) -> None:
    rows = [
        (
            "costs" if resource.costs_now else "",
            resource.kind,
            resource.name,
            f"{resource.created:%Y-%m-%d %H:%M}",
            resource.detail,
        )
        for resource in sorted(resources, key=lambda resource: not resource.costs_now)
    ]
    say_table(rows, ("", "kind", "name", "created", ""))
