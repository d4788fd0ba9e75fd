"""notebooks/walkthrough.ipynb from top to bottom: local mode, the real images, and no AWS."""

import itertools
import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from slipway.local.containers import LABEL
from tests.images.containers import Docker, Images
from tests.images.test_local_mode import free_port

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "walkthrough.ipynb"


def read_notebook() -> NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_kept_without_outputs():
    for cell in read_notebook().cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_every_code_cell_is_introduced_and_short():
    cells = read_notebook().cells
    for before, cell in itertools.pairwise(cells):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown"
            assert len(cell.source.splitlines()) <= 15


@pytest.fixture
def environment(docker: Docker, images_for_local_mode: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of somebody without an AWS account: its address is a closed port."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SAGEMAKER_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        "PATH": f"{Path(docker.program).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SLIPWAY_TRAIN_IMAGE": images_for_local_mode.train,
        "SLIPWAY_SERVE_IMAGE": images_for_local_mode.serve,
    }.items():
        monkeypatch.setenv(name, value)


def printed(notebook: NotebookNode) -> str:
    """The text outputs of all cells."""
    outputs = (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    return "".join(output.get("text", "") for output in outputs)


def test_it_runs_from_top_to_bottom(environment: None, docker: Docker, tmp_path: Path):
    notebook = read_notebook()
    [parameters] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    parameters.source += f"\nepochs, trials, serving_port = 1, 1, {free_port()}"
    NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(tmp_path)}}).execute()
    text = printed(notebook)
    assert "notice: train is imbalanced" in text
    assert '"s3:PutObject"' in text
    assert '"sagemaker:CreateTrainingJob"' in text
    assert "TEST: Average loss: " in text
    assert re.search(r"^Best: .* eval_loss_epoch ", text, re.MULTILINE)
    assert '"eval_loss"' in text
    assert text.count("; it is ") == 2
    assert (tmp_path / "explore.html").is_file()
    assert (tmp_path / "training-report.html").is_file()
    assert docker("ps", "--all", "--quiet", f"--filter=label={LABEL}") == ""
