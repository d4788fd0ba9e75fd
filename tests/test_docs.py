"""The documentation says what the code does."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from container.serve.accept import OFFERED
from container.train.hyperparameters import markdown_table

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", ["README.md", "docs/training.md"])
def test_the_tables_of_hyperparameters_are_the_table_of_the_code(page: str):
    text = (ROOT / page).read_text()
    table = text.partition("<!-- hyperparameters: begin -->\n")[2].partition("<!-- hyperparameters: end -->")[0]
    assert table == markdown_table()


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_slipway_command_that_is_shown_exists_with_its_options(page: Path):
    text = page.read_text().replace("\\\n", " ")
    for line in re.findall(r"^\$? ?(slipway [^#\n]*)", text, re.M):
        words = shlex.split(line.replace("…", ""))
        command = [word for word in words[1:3] if re.fullmatch(r"[a-z]+", word) and not Path(word).exists()]
        depth = 2 if command[0] == "data" else 1
        done = subprocess.run(
            [sys.executable, "-m", "slipway", *command[:depth], "--help"], capture_output=True, text=True, check=True
        )
        for option in re.findall(r"(--[a-z-]+)", line):
            assert option in done.stdout, f"{line}: no option {option}"
