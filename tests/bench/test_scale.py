"""The benchmark of how throughput grows, at its smallest."""

import json
import math
import subprocess
import sys
from pathlib import Path

from tests.forked_main import run_main
from tests.rules.environment import ROOT


def test_it_prints_and_writes_a_table_for_each_thing_varied(generated: Path, tmp_path: Path):
    written = tmp_path / "result.json"
    done = run_main("bench.scale", "--quick", f"--directory={generated}", f"--json={written}")
    assert done.returncode == 0, done.stderr
    result = json.loads(written.read_text())
    varied = dict.fromkeys(row["varied"] for row in result["rows"])
    assert list(varied) == ["num_workers", "image_size", "batch_size", "model_type", "processes"]
    for row in result["rows"]:
        for value in (row["images_per_s"], row["ratio"]):
            assert math.isfinite(value)
            assert value > 0
        assert f"{row['images_per_s']:.2f}  {row['ratio']:6.3f}" in done.stdout
    assert str(result["device"]) in done.stdout


def test_help_says_what_it_varies():
    done = subprocess.run([sys.executable, "-m", "bench.scale", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "--quick" in done.stdout
