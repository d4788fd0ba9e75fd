"""`slipway debug`: runs SageMaker Debugger's rules, and the user's own, on the tensors that a job saved."""

import sys
from pathlib import Path

import click

from slipway.options.aws import profile_option, region_option
from slipway.options.result import json_option
from slipway.terminal.console import say


def _list_rules(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if not value or context.resilient_parsing:
        return
    from container.rules.printing import listing

    for line in listing():
        say(line)
    context.exit()


@click.command(
    epilog="\b\nExample:\n"
    "  slipway train digits --job-dir digits-job --debug true\n"
    "  slipway debug digits-job\n"
    "  slipway debug digits-job --follow --rule VanishingGradient --parameter threshold=1e-6\n"
    "  slipway debug s3://my-dogs/jobs/dogs-1/debug-output --rule my_rules.py:MyRule --parameter limit=20",
)
@click.argument("trial", metavar="TRIAL")
@click.option(
    "--rule",
    "rules",
    metavar="NAME|FILE:CLASS",
    multiple=True,
    help="A built-in rule, or a subclass of smdebug.rules.Rule in a file; repeatable.  [default: all built-in]",
)
@click.option(
    "--parameter",
    "parameters",
    metavar="[RULE.]NAME=VALUE",
    multiple=True,
    help="Set a rule's parameter, by SageMaker's name; repeatable.",
)
@click.option(
    "--start-step",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="First step to evaluate; steps of training and evaluation are counted together.",
)
@click.option("--end-step", type=click.IntRange(min=1), metavar="STEP", help="Stop before this step.")
@click.option("--follow", is_flag=True, help="Follow the job until it ends, and print findings as they occur.")
@json_option("all findings")
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write that object to a file; slipway report shows it if it is debug-findings.json beside the job's records.",
)
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list_rules, help="Print the built-in rules."
)
@region_option
@profile_option
def debug(
    trial: str,
    rules: tuple[str, ...],
    parameters: tuple[str, ...],
    start_step: int,
    end_step: int | None,
    follow: bool,
    as_json: bool,
    output: Path | None,
    region: str | None,
    profile: str | None,
) -> None:
    """Run rules on the tensors that a job saved (hyperparameter debug=true), and suggest what to do.

    TRIAL is a job directory of slipway train, a directory of tensors, or its S3 address. If training was cut off, the
    steps that were saved are evaluated.

    The built-in rules are those of SageMaker Debugger, which AWS has closed to new customers on 30 July 2026; they run
    on this machine and need neither that service nor, for a directory, an account.

    Exit codes: 0: no issues; 3: rules fired; 1: the trial cannot be read, or a rule cannot be run.
    """
    from slipway.debug.run import run_rules

    arguments = [f"--rule={rule}" for rule in rules] + [f"--parameter={parameter}" for parameter in parameters]
    arguments += [f"--start-step={start_step}"] + ([] if end_step is None else [f"--end-step={end_step}"])
    arguments += ["--follow"] * follow + ["--json"] * as_json + ([f"--output={output}"] if output else [])
    sys.exit(run_rules([*arguments, "--", trial], region=region, profile=profile))
