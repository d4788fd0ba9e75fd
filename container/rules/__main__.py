"""The program that runs rules over a trial, in smdebug's environment.

    python -m container.rules TRIAL [--rule NAME|FILE.py:CLASS]… [--parameter [RULE.]NAME=VALUE]… [--follow] [--json]

TRIAL is a tensors directory, a job directory of `slipway train`, or an S3 address. Exit codes: 0 nothing was found, 3
rules fired, 1 the trial cannot be read or a rule cannot be run, 2 wrong usage. `slipway debug` starts this.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from container.contract.errors import RuleError, UserError
from container.imports import uncollected
from container.rules.finding import Judgement, RuleFinding
from container.rules.printing import finding_line, listing, problems, summary
from container.rules.selection import Chosen, choose


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    options = _parser().parse_args(arguments)
    if options.list:
        _write_lines(sys.stdout, *listing())
        return 0
    if not options.trial:
        _parser().error("TRIAL is missing")
    try:
        chosen = choose(options.rule, options.parameter)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # `slipway debug` passes Ctrl-C on as that
        judgement = _run(options, chosen, sys.stdout)
        _show(options, judgement)
    except UserError as error:
        _write_lines(sys.stderr, f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    _write_lines(sys.stderr, *(f"Error: {problem}" for problem in problems(judgement)))
    return judgement.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m container.rules", description="Run debugger rules over a trial.")
    parser.add_argument("trial", nargs="?", metavar="TRIAL", help="tensors directory, job directory, or s3://…")
    parser.add_argument("--rule", action="append", default=[], metavar="NAME|FILE:CLASS")
    parser.add_argument("--parameter", action="append", default=[], metavar="[RULE.]NAME=VALUE")
    parser.add_argument("--start-step", type=int, default=0, help="first step of the trial that is judged")
    parser.add_argument("--end-step", type=int, help="step before which judging ends")
    parser.add_argument("--follow", action="store_true", help="continue until training has ended")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write that object to a file")
    parser.add_argument("--list", action="store_true", help="print the built-in rules and their parameters")
    return parser


def _run(options: argparse.Namespace, chosen: Sequence[Chosen], output: TextIO) -> Judgement:
    # smdebug logs to the standard output, where the results go; the variable must be set before it is imported.
    os.environ.setdefault("SMDEBUG_LOG_LEVEL", "off")
    if not options.follow:
        os.environ["SMDEBUG_TRAINING_END_DELAY_REFRESH"] = "0"
        os.environ["SMDEBUG_MISSING_EVENT_FILE_RETRY_LIMIT"] = "0"
    with uncollected():
        from container.rules.catalogue import make_runs
        from container.rules.judging import judge
        from container.rules.snapshot import find_trial, open_trial

    def say(text: str) -> None:
        _write_lines(sys.stderr, text)

    def found(rule: str, finding: RuleFinding) -> None:
        if options.follow and not options.json:
            _write_lines(output, finding_line(rule, finding))

    # A user's rule may print, and that is not part of the results.
    with contextlib.redirect_stdout(sys.stderr):
        trial = open_trial(find_trial(options.trial), follow=options.follow, say=say)
        return judge(
            trial,
            make_runs(chosen, trial),
            start_step=options.start_step,
            end_step=options.end_step,
            follow=options.follow,
            found=found,
            say=say,
        )


def _show(options: argparse.Namespace, judgement: Judgement) -> None:
    text = json.dumps(judgement.to_json(), indent=2)
    if options.output:
        try:
            options.output.write_text(text + "\n")
        except OSError as error:
            raise RuleError(f"{options.output} cannot be written: {error.strerror or error}") from error
    _write_lines(sys.stdout, *([text] if options.json else summary(judgement)))


def _write_lines(file: TextIO, *lines: str) -> None:
    file.writelines(f"{line}\n" for line in lines)
    file.flush()


if __name__ == "__main__":
    sys.exit(main())
