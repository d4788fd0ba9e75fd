"""`slipway endpoints`: lists the endpoints on SageMaker."""

import json
from datetime import UTC, datetime

import click

from slipway.aws.connection import Aws
from slipway.endpoints.listed_endpoints import ListedEndpoint, list_endpoints
from slipway.options.aws import profile_option, region_option
from slipway.options.result import json_option
from slipway.terminal.console import say, say_table
from slipway.terminal.durations import duration

_TITLES = ("NAME", "STATUS", "KIND", "INSTANCES", "CREATED (UTC)", "AGE")


@click.command(epilog="\b\nExample:\n  slipway endpoints\n  slipway endpoints --json")
@json_option("the endpoints")
@region_option
@profile_option
def endpoints(as_json: bool, region: str | None, profile: str | None) -> None:
    """List the endpoints in one region that have Slipway's tag, newest first, and which of them cost money by the hour.

    An endpoint with instances does, even when nobody asks it; a serverless one is paid for by the request.
    """
    aws = Aws(region, profile)
    found = list_endpoints(aws)
    if as_json:
        say(json.dumps([endpoint.to_json() for endpoint in found], indent=2))
        return
    if not found:
        say(f"No Slipway endpoints in {aws.region}.")
        return
    say_table(map(_row, found), _TITLES)
    for endpoint in found:
        if endpoint.failure:
            say(f"{endpoint.name}: {' '.join(endpoint.failure.split())}")
    if costly := [endpoint.name for endpoint in found if endpoint.costs_now]:
        say(f"Cost money by the hour: {', '.join(costly)}. slipway deploy --delete NAME deletes one.")


def _row(endpoint: ListedEndpoint) -> tuple[str, ...]:
    instances = [
        f"{variant.instance_count} {variant.instance_type}{f' ({variant.name})' * (len(endpoint.variants) > 1)}"
        for variant in endpoint.variants
        if variant.instance_type
    ]
    return (
        endpoint.name,
        endpoint.status,
        endpoint.kind,
        ", ".join(instances),
        f"{endpoint.created.astimezone(UTC):%Y-%m-%d %H:%M}",
        duration((datetime.now(UTC) - endpoint.created).total_seconds()),
    )
