"""The benchmark of training with several networks, at its smallest."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import networks
from tests.rules.environment import ROOT

SMALL = ("--image-size=40", "--batch-size=4", "--steps=1", "--rounds=1")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.networks", *SMALL, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_each_network_has_its_ratios_at_a_size_that_it_takes(tmp_path: Path):
    written = tmp_path / "result.json"
    done = run("--networks=test_resnet,test_vit", f"--directory={tmp_path}", f"--json={written}")
    assert done.returncode == 0, done.stderr
    rows = json.loads(written.read_text())
    assert [(row["network"], row["image_size"]) for row in rows] == [("test_resnet", 40), ("test_vit", 32)]
    for row in rows:
        assert row["vs_limit"] > 0
        assert row["bf16_vs_float32"] > 0
        assert f" {row['vs_limit']:.3f} " in done.stdout


def test_an_unknown_network_is_one_sentence(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"^bench\.networks: [^\n]*the nearest are test_resnet[^\n]*$"):
        networks.main([*SMALL, "--networks=test_rennet", f"--directory={tmp_path}"])
