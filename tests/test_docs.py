"""The documentation says what the code does."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from container.report.analyses import analyse
from container.report.profile_reading import read_profile
from container.rules.printing import markdown_table as rules_table
from container.serve.accept import OFFERED
from container.train.hyperparameters import markdown_table
from tests.report.records import PlannedJob

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", ["README.md", "docs/training.md"])
def test_the_tables_of_hyperparameters_are_the_table_of_the_code(page: str):
    text = (ROOT / page).read_text()
    table = text.partition("<!-- hyperparameters: begin -->\n")[2].partition("<!-- hyperparameters: end -->")[0]
    assert table == markdown_table()


def test_the_table_of_rules_is_the_table_of_the_code():
    text = (ROOT / "docs" / "debugging.md").read_text()
    assert text.partition("<!-- rules: begin -->\n")[2].partition("<!-- rules: end -->")[0] == rules_table()


def test_every_analysis_of_the_profiler_is_explained(tmp_path: Path):
    text = (ROOT / "docs" / "debugging.md").read_text()
    findings = analyse(read_profile(PlannedJob().write(tmp_path)))
    assert findings
    assert all(finding.rule in text for finding in findings)


def test_every_answer_type_is_in_the_readme():
    text = (ROOT / "README.md").read_text()
    assert all(f"`{offer}`" in text for offer in OFFERED)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_named_files_are_there(page: Path):
    text = page.read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
    for name in re.findall(r"`((?:container|slipway|docker|tests)/[\w./-]+)`", text):
        assert (ROOT / name).exists(), f"{page.name} names {name}"


def test_every_test_that_the_threat_model_names_is_there():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "security.md").read_text()))
    files = (ROOT / "tests").rglob("test_*.py")
    there = {name for file in files for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.M)}
    assert named
    assert named <= there, f"docs/security.md names {named - there}"


@cache
def _help(*command: str) -> str:
    asked = [sys.executable, "-m", "slipway", *command, "--help"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_slipway_command_that_is_shown_exists_with_its_options(page: Path):
    text = page.read_text().replace("\\\n", " ")
    for line in re.findall(r"^\$? ?(slipway [^#\n]*)", text, re.M):
        words = shlex.split(line.replace("…", ""))
        command = [word for word in words[1:3] if re.fullmatch(r"[a-z]+", word) and not Path(word).exists()]
        depth = 2 if command[0] == "data" else 1
        shown = _help(*command[:depth])
        for option in re.findall(r"(--[a-z-]+)", line):
            assert option in shown, f"{line}: no option {option}"
