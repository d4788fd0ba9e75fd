"""Rules of the code base, as tests."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
CONTAINER = sorted((ROOT / "container").rglob("*.py"))


def imports(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("file", CONTAINER, ids=lambda file: str(file.relative_to(ROOT)))
def test_the_container_side_knows_nothing_of_the_host_side(file: Path):
    roots = {name.split(".")[0] for name in imports(file)}
    assert not roots & {"slipway", "sagemaker", "boto3", "botocore"}


@pytest.mark.parametrize("file", sorted((ROOT / "container" / "contract").glob("*.py")), ids=lambda file: file.name)
def test_the_contract_imports_nothing_but_the_standard_library(file: Path):
    foreign = {name for name in imports(file) if name.split(".")[0] not in sys.stdlib_module_names}
    assert all(name.startswith("container.contract.") for name in foreign)


@pytest.mark.parametrize(
    "module",
    [
        "container.train.launcher",
        "container.train.program",
        "container.contract.hyperparameters",
        "container.contract.metric_lines",
        "container.report",
        "container.serve.supervisor.supervisor",
        "container.serve.front.front",
    ],
)
def test_what_must_start_at_once_does_not_import_torch(module: str):
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("image", ["train", "serve"])
def test_an_image_has_every_package_that_its_program_imports(image: str):
    copied = re.search(rf'\[{image}\]="([\w ]+)"', (ROOT / "docker" / "layers" / "program.sh").read_text())
    assert copied
    modules = grimp.build_graph("container").find_upstream_modules(f"container.{image}", as_package=True)
    packages = {name.split(".")[1] for name in modules if (ROOT / "container" / name.split(".")[1]).is_dir()}
    assert packages
    assert packages <= set(copied[1].split())


@pytest.mark.parametrize("file", CONTAINER, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_shell_and_no_pickle(file: Path):
    text = file.read_text()
    assert "shell=True" not in text
    assert "os.system" not in text
    assert not re.search(r"\bpickle\.load", text)
    assert "weights_only=False" not in text
    assert "allow_pickle=True" not in text


def test_files_stay_small():
    for file in [*CONTAINER, *(ROOT / "slipway").rglob("*.py")]:
        lines = [line for line in file.read_text().splitlines() if line.strip()]
        assert len(lines) <= 300, f"{file} has {len(lines)} lines"


def test_names_of_tests_stay_short():
    for file in (ROOT / "tests").rglob("test_*.py"):
        names = re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
        assert not [name for name in names if len(name) > 80], file
