"""The benchmark of training with several networks, at its smallest."""

import json
from pathlib import Path

import pytest

from bench import networks
from tests.forked_main import run_main

SMALL = ("--image-size=40", "--batch-size=4", "--steps=1", "--rounds=1")


def test_each_network_has_its_ratios_at_a_size_that_it_takes(generated: Path, tmp_path: Path):
    written = tmp_path / "result.json"
    written_to = (f"--directory={generated}", f"--json={written}")
    done = run_main("bench.networks", *SMALL, "--networks=test_resnet,test_vit", *written_to)
    assert done.returncode == 0, done.stderr
    rows = json.loads(written.read_text())
    assert [(row["network"], row["image_size"]) for row in rows] == [("test_resnet", 40), ("test_vit", 32)]
    for row in rows:
        assert row["vs_limit"] > 0
        assert row["bf16_vs_float32"] > 0
        assert f" {row['vs_limit']:.3f} " in done.stdout


def test_an_unknown_network_is_one_sentence(generated: Path):
    with pytest.raises(SystemExit, match=r"^bench\.networks: [^\n]*the nearest are test_resnet[^\n]*$"):
        networks.main([*SMALL, "--networks=test_rennet", f"--directory={generated}"])
