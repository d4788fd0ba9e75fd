"""`slipway doctor`: says what is here and what is missing, each with a remedy."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import click

from slipway.options.aws import profile_option, region_option, role_option
from slipway.options.defaults import defaults_from_file
from slipway.options.exit_codes import ExitCode
from slipway.options.result import json_option
from slipway.terminal.console import say, say_table

if TYPE_CHECKING:
    from slipway.doctor.finding import Finding

_WIDTH = len("unknown")
_STYLES = {
    status.ljust(_WIDTH): style
    for status, style in (("ok", "green"), ("absent", "dim"), ("unknown", "yellow"), ("failed", "bold red"))
}


@click.command(
    epilog="\b\nExample:\n  slipway doctor\n  slipway doctor --region eu-west-1 --instance-type ml.g4dn.xlarge",
)
@click.option(
    "--instance-type",
    "instance_types",
    metavar="TYPE",
    multiple=True,
    help="Check the quotas of this type too, beside those in slipway.toml. Repeatable.",
)
@role_option
@click.option("--bucket", metavar="NAME", envvar="SLIPWAY_BUCKET", help="Bucket to check.")
@region_option
@profile_option
@json_option("the findings")
@click.pass_context
def doctor(
    context: click.Context,
    instance_types: tuple[str, ...],
    role: str | None,
    bucket: str | None,
    region: str | None,
    profile: str | None,
    as_json: bool,
) -> None:
    """Check this machine, and the AWS account if there are credentials; change nothing.

    Each line is ok, absent (nobody has set it up; fine unless you need it), unknown (could not be checked) or failed
    (set up, and does not work). The exit code is 1 if anything failed. No account is needed.
    """
    from slipway.doctor.examine import Asked, examine

    asked = Asked(
        region=region,
        profile=profile,
        role=role,
        bucket=bucket,
        instance_types=instance_types,
        validate=lambda: defaults_from_file(context.find_root()),
    )
    found = examine(asked)
    failed = [finding for findings in found.values() for finding in findings if finding.status == "failed"]
    if as_json:
        checks = [{"group": name, **finding.to_json()} for name, findings in found.items() for finding in findings]
        say(json.dumps({"ok": not failed, "checks": checks}, indent=2))
    else:
        _show(found)
        say(f"{len(failed)} failed" if failed else "Nothing that is set up fails.")
    sys.exit(ExitCode.MENDABLE if failed else ExitCode.DONE)


def _show(found: Mapping[str, list["Finding"]]) -> None:
    """Print a table for each group, with columns of the same width, and a remedy below what it is for."""
    width = max(len(finding.name) for findings in found.values() for finding in findings)
    for group, findings in found.items():
        say(click.style(group, bold=True))
        say_table(_rows(findings, width), styles=_STYLES)
        say("")


def _rows(findings: Iterable["Finding"], width: int) -> Iterator[tuple[str, ...]]:
    for finding in findings:
        yield "", finding.status.ljust(_WIDTH), finding.name.ljust(width), finding.text
        if finding.remedy:
            yield "", "", "", f"remedy: {finding.remedy}"
