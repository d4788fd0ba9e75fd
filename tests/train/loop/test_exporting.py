"""A job whose export fails keeps its model."""

import json
from pathlib import Path

from tests.train.conftest import SMALL, JobDirectory
from tests.train.forked_job import PackagesIn, run_program


def test_a_package_that_fails_costs_a_warning_and_not_the_model(job: JobDirectory, image_folder, tmp_path: Path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "openvino.py").write_text("raise ImportError('libtbb.so.12 cannot be opened')")
    job.channel("train", image_folder("train", red=12, blue=12))
    result = run_program(job, {**SMALL, "epochs": "1", "export": "true"}, PackagesIn(tmp_path / "broken"))
    assert result.code == 0, result.log
    assert "the model was not exported (ImportError: libtbb.so.12 cannot be opened); servers with torch" in result.log
    assert sorted(path.name for path in (job.base / "model").iterdir()) == ["model.json", "model.safetensors"]
    assert "libtbb" in json.loads((job.base / "output" / "data" / "job.json").read_text())["exported"]["failed"]
