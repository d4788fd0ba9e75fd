"""Measures how long the `slipway` command takes to its first answer, against importing boto3.

    python -m bench.cli [--rounds 7] [--only WORDS] [--quick]

Each round starts every command once, as a process of its own, and `python -c 'import boto3'` beside them. The ratios
are medians of the rounds. There are no credentials and no settings: what is asked is answered on this machine, by help,
by a dry run, or by saying what is missing. Targets: help within half a second, all else within twice the import.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.arguments import positive
from bench.rounds import Measure, measure, ratios
from bench.telling import tell

BASELINE = "import boto3"
HELP_S, RATIO = 0.5, 2.0
"""The targets."""

_ROOT = Path(__file__).parents[1]
_REGION = "eu-west-1"
_REGISTRY = f"111122223333.dkr.ecr.{_REGION}.amazonaws.com/slipway"
_NAMED = ("--region", _REGION, "--role", "arn:aws:iam::111122223333:role/slipway-execution", "--dry-run")
_DATA, _MODEL = "s3://my-dogs/dogImages", "s3://my-dogs/jobs/dogs/output/model.tar.gz"
_GPU, _CPU = ("--instance-type", "ml.g4dn.xlarge"), ("--instance-type", "ml.c7i.xlarge")
_TRAIN, _SERVE = (*_GPU, "--image", f"{_REGISTRY}:train", *_NAMED), (*_CPU, "--image", f"{_REGISTRY}:serve", *_NAMED)


@dataclass(frozen=True)
class Case:
    """One command, and how it must end."""

    name: str
    arguments: tuple[str, ...]
    succeeds: bool = True
    within_s: float | None = None
    """Target in seconds; None: twice the import of boto3."""


def _helps(*commands: str) -> tuple[Case, ...]:
    return tuple(Case(f"{name or 'slipway'} --help", (*name.split(), "--help"), within_s=HELP_S) for name in commands)


QUICK = (*_helps("", "jobs"), Case("jobs, no credentials", ("jobs", "--region", _REGION), succeeds=False))
CASES = (
    *_helps(
        "", "data", "train", "tune", "compare", "serve", "predict", "deploy", "export", "images", "report", "debug"
    ),
    *_helps("jobs", "logs", "stop", "endpoints", "download", "transform", "clean", "doctor", "init", "completion"),
    Case("train, dry run", ("train", _DATA, *_TRAIN)),
    Case("tune, dry run", ("tune", _DATA, *_TRAIN)),
    Case("compare, dry run", ("compare", _DATA, *_TRAIN)),
    Case("deploy, dry run", ("deploy", _MODEL, *_SERVE)),
    Case("transform, dry run", ("transform", f"{_DATA}/test", "--model", _MODEL, *_SERVE)),
    Case("data upload, dry run", ("data", "upload", "dogs", "s3://my-dogs", "--dry-run")),
    Case("init, dry run", ("init", "--region", _REGION, "--dry-run")),
    Case("train, mistyped type", ("train", _DATA, "--instance-type", "ml.g4dn.xlareg", *_TRAIN[2:]), succeeds=False),
    Case("deploy, mistyped type", ("deploy", _MODEL, "--instance-type", "ml.c7i.xlareg", *_SERVE[2:]), succeeds=False),
    Case("predict, no credentials", ("predict", "--endpoint", "dogs", "1.jpg", "--region", _REGION), succeeds=False),
    Case("jobs, no credentials", ("jobs", "--region", _REGION), succeeds=False),
    Case("logs, no credentials", ("logs", "dogs", "--region", _REGION), succeeds=False),
    Case("stop, no credentials", ("stop", "dogs", "--region", _REGION), succeeds=False),
    Case("endpoints, no credentials", ("endpoints", "--region", _REGION), succeeds=False),
    Case("download, no credentials", ("download", "dogs", "--region", _REGION), succeeds=False),
    Case("clean, no credentials", ("clean", "--region", _REGION), succeeds=False),
    Case("images", ("images",)),
    Case("completion bash", ("completion", "bash")),
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.cli", description="Measure the commands' time to their first answer."
    )
    parser.add_argument("--rounds", type=positive, default=7, metavar="N", help="default: %(default)s")
    parser.add_argument("--only", default="", metavar="WORDS", help="only the commands with these words in their name")
    parser.add_argument("--quick", action="store_true", help="one round of three commands, to see that it works")
    options = parser.parse_args(arguments)
    cases = QUICK if options.quick else [case for case in CASES if options.only in case.name]
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "dogs", "train", "poodle", "1.jpg")
        picture.parent.mkdir(parents=True)
        picture.write_bytes(b"jpeg")
        Path(folder, "1.jpg").write_bytes(b"jpeg")
        run = _Runs(Path(folder))
        # Once without the clock, so that every file is read from memory later.
        for case in cases:
            run.answer(case)
        what: dict[str, Measure] = {BASELINE: run.baseline, **{case.name: partial(run.answer, case) for case in cases}}
        seconds = measure(what, 1 if options.quick else options.rounds, tell)
    _show(cases, seconds)


def _show(cases: Sequence[Case], seconds: Mapping[str, Sequence[float]]) -> None:
    found = ratios(seconds, BASELINE)
    print(f"{'command':26}{'seconds':>9}{'ratio':>8}  target")
    print(f"{BASELINE:26}{statistics.median(seconds[BASELINE]):9.2f}{1:8.2f}")
    missed = 0
    for case in cases:
        took, ratio = statistics.median(seconds[case.name]), found[case.name].median
        holds = ratio <= RATIO if case.within_s is None else took <= case.within_s
        missed += not holds
        target = f"{RATIO:g} x" if case.within_s is None else f"{case.within_s} s"
        print(f"{case.name:26}{took:9.2f}{ratio:8.2f}  {target:6}{'holds' if holds else 'MISSED'}")
    print(f"{len(cases) - missed} of {len(cases)} targets hold")


class _Runs:
    """Starts the commands in an empty folder, without credentials and settings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLIPWAY_"))}
        self._environment = {
            **kept,
            "PYTHONPATH": str(_ROOT),
            "XDG_CONFIG_HOME": str(folder),
            "AWS_CONFIG_FILE": str(folder / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
            # Nothing waits for an instance's metadata, which only the network's time-out would end.
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def baseline(self) -> float:
        return self._seconds(["-c", "import boto3"], succeeds=True)

    def answer(self, case: Case) -> float:
        return self._seconds(["-m", "slipway", *case.arguments], succeeds=case.succeeds)

    def _seconds(self, arguments: Sequence[str], *, succeeds: bool) -> float:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self._folder, env=self._environment, capture_output=True, text=True
        )
        seconds = time.perf_counter() - start
        if (done.returncode == 0) != succeeds or "Traceback" in done.stderr:
            sys.exit(f"{' '.join(arguments)} ended with exit code {done.returncode}: {done.stderr.strip()[-500:]}")
        return seconds


if __name__ == "__main__":
    main()
