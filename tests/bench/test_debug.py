"""The benchmark of the profiler and the hook, at its smallest."""

import json
import math
import subprocess
import sys
from pathlib import Path

from tests.forked_main import run_main
from tests.rules.environment import ROOT, need_smdebug

RATIOS = ("profiler", "hook_off", "hook_default_100", "hook_all_1", "smdebug_all_1")


def test_it_prints_and_writes_the_ratios_of_step_times(tmp_path: Path):
    need_smdebug()
    small = ["--model=test_resnet", "--image-size=32", "--batch-size=2", "--rounds=1", "--steps=2", "--saving-steps=1"]
    done = run_main("bench.debug", *small, f"--json={tmp_path / 'result.json'}")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "result.json").read_text())
    for name in RATIOS:
        assert math.isfinite(result[name])
        assert result[name] > 0
        assert f" {result[name]:.3f} " in done.stdout
    assert str(result["device"]) in done.stdout


def test_help_says_what_it_measures():
    done = subprocess.run(
        [sys.executable, "-m", "bench.debug", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--json" in done.stdout
