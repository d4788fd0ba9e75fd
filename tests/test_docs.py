"""The documentation says what the code does."""

import re
import runpy
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from container.contract.hyperparameters import markdown_table
from container.report.analyses import analyse
from container.report.profile_reading import read_profile
from container.rules.printing import markdown_table as rules_table
from container.serve.protocol.accept import OFFERED
from tests.report.records import PlannedJob

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
ABOUT_CODE = [page for page in PAGES if page.parent.name == "architecture" or page.name == "CONTRIBUTING.md"]
FOLDERS = "container|slipway|docker|tests|bench|docs|notebooks"


def _title(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)


@cache
def _anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)", _without_code(page), re.M)
    slugs = [re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-") for heading in headings]
    before = [slugs[:place].count(slug) for place, slug in enumerate(slugs)]
    return {f"{slug}-{times}" if times else slug for slug, times in zip(slugs, before, strict=True)}


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


@pytest.mark.parametrize("page", PAGES, ids=_title)
def test_links_lead_to_files_and_headings(page: Path):
    for target in re.findall(r"\]\((?!http)([^)]+)\)", _without_code(page)):
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"a link to {target}"
        assert not anchor or anchor in _anchors(there), f"a link to {target}; there are {sorted(_anchors(there))}"


@pytest.mark.parametrize("page", PAGES, ids=_title)
def test_named_files_are_there(page: Path):
    for name in re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", page.read_text()):
        assert (ROOT / name).exists(), f"it names {name}"


@pytest.mark.parametrize("page", ABOUT_CODE, ids=_title)
def test_pages_about_the_code_name_files_that_are_there(page: Path):
    """Also in drawings of processes and in commands."""
    named = re.findall(rf"(?<![\w./-])(?:(?:{FOLDERS}|\.ci)/[\w./-]*\w/?|[\w-]+\.sh)(?![\w*])", page.read_text())
    assert named
    for name in named:
        assert (ROOT / name).exists(), f"it names {name}"


def test_every_manual_is_in_the_index():
    text = (ROOT / "docs" / "README.md").read_text()
    named = {(ROOT / "docs" / path).resolve() for path in re.findall(r"\]\(([\w./-]+)", text)}
    assert {page for page in PAGES if page.parent == ROOT / "docs"} - named == {ROOT / "docs" / "README.md"}


def test_the_page_of_the_python_classes_is_of_these_docstrings():
    generated = runpy.run_path(str(ROOT / "docs" / "make_api.py"))["page"]()
    assert (ROOT / "docs" / "api.md").read_text() == generated, "run: python docs/make_api.py"


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


@pytest.mark.parametrize("page", PAGES, ids=_title)
def test_every_slipway_command_that_is_shown_exists_with_its_options(page: Path):
    text = page.read_text().replace("\\\n", " ")
    for line in re.findall(r"^\$? ?(slipway [^#\n]*)", text, re.M):
        words = shlex.split(line.replace("…", ""))
        command = [word for word in words[1:3] if re.fullmatch(r"[a-z]+", word) and not Path(word).exists()]
        depth = 2 if command[0] == "data" else 1
        shown = _help(*command[:depth])
        for option in re.findall(r"(--[a-z-]+)", line):
            assert option in shown, f"{line}: no option {option}"
