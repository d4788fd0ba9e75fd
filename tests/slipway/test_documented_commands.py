"""The command lines for AWS in README.md and the guides run with --dry-run, by whoever has nothing yet."""

import json
import re
import shlex
from pathlib import Path

import click
import pytest

from slipway.cli import cli
from tests.slipway.slipway_runs import Slipway

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", *(f"docs/{name}.md" for name in ("sagemaker", "deploying", "tuning", "comparing")))
# Its dry run reads the account to find what there is to delete.
WITHOUT = {"clean"}
# Without one of these, the commands that have --instance-type run on this machine.
ELSEWHERE = ("--instance-type", "--serverless", "--shift", "--delete", "--multi-model")


def _documented() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in re.findall(r"^```\w*\n(.*?)^```", (ROOT / page).read_text(), re.M | re.S):
            for line in block.replace("\\\n", " ").splitlines():
                if line.startswith("slipway ") and _is_for_aws(shlex.split(line, comments=True)[1:]):
                    found.append((page, line))
    return found


def _is_for_aws(words: list[str]) -> bool:
    context = click.Context(cli)
    command = cli.get_command(context, words[0])
    if isinstance(command, click.Group):
        command = command.get_command(context, words[1])
    assert command is not None, f"there is no command slipway {words[0]}"
    options = {option for parameter in command.params for option in parameter.opts}
    if "--dry-run" not in options or words[0] in WITHOUT:
        return False
    if "--instance-type" not in options:
        return True
    here = "--instance-type" in words and words[words.index("--instance-type") + 1].startswith("local")
    return not here and any(option in words for option in ELSEWHERE)


def _name(case: tuple[str, str]) -> str:
    return " ".join([Path(case[0]).stem, *shlex.split(case[1], comments=True)[1:]])


def test_there_are_such_lines():
    assert {page for page, _ in _documented()} == set(PAGES)


@pytest.mark.parametrize("case", _documented(), ids=_name)
def test_it_runs_without_account_and_settings(case, slipway_here: Slipway, nobody: Path):
    words = shlex.split(case[1], comments=True)[1:]
    if words[:2] == ["data", "upload"]:
        (nobody / words[2] / "train" / "Beagle").mkdir(parents=True)
        (nobody / words[2] / "train" / "Beagle" / "201.jpg").write_bytes(b"jpeg")
    done = slipway_here(*words, *([] if "--dry-run" in words else ["--dry-run"]))
    assert done.returncode == 0, done.stderr
    if words[0] in ("train", "tune", "compare", "deploy", "transform"):
        assert '"sagemaker:' in done.stdout
        json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{") :])
        assert "no region is named; give --region" in done.stderr
