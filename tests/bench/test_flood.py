"""The flood, at its smallest."""

import json
import subprocess
import sys
from pathlib import Path

from tests.rules.environment import ROOT


def test_a_small_flood_counts_every_status_and_weighs_every_part(tmp_path: Path):
    written = tmp_path / "result.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench.flood", "--requests=100", "--step=0.5", f"--json={written}"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(written.read_text())
    assert result["requests"] == sum(result["statuses"].values()) >= 100
    assert set(result["statuses"]) == {"200", "422"}
    assert result["after"][-1] == result["requests"]
    for part in ("supervisor", "front", "model_server", "worker"):
        assert all(size > 1 for size in result[f"memory_{part}_mb"])
    assert f"{result['requests']} requests" in done.stdout
