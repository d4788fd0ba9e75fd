"""The flood, at its smallest."""

import json
from pathlib import Path

from bench.serving.workload import Workload
from tests.bench.made_before import MadeBefore
from tests.forked_main import run_main


def test_a_small_flood_counts_every_status_and_weighs_every_part(workload: Workload, tmp_path: Path):
    written = tmp_path / "result.json"
    done = run_main("bench.flood", "--requests=100", "--step=0.2", f"--json={written}", plant=MadeBefore(workload))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(written.read_text())
    assert result["requests"] == sum(result["statuses"].values()) >= 100
    assert set(result["statuses"]) == {"200", "422"}
    assert result["after"][-1] == result["requests"]
    for part in ("supervisor", "front", "model_server", "worker"):
        assert all(size > 1 for size in result[f"memory_{part}_mb"])
    assert f"{result['requests']} requests" in done.stdout
