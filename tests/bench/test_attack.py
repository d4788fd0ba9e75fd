"""The attack, at its smallest."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.attack import Row, finish, parse
from tests.rules.environment import ROOT


def test_it_prints_what_a_bystander_saw_and_fails_over_its_bounds(tmp_path: Path):
    written = tmp_path / "result.json"
    command = [sys.executable, "-m", "bench.attack", "--only=34 bytes", "--size=32"]
    command += ["--architecture=test_resnet", "--most-s=60", "--most-mb=600", f"--json={written}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(written.read_text())
    assert [row["name"] for row in rows] == [
        "WebP of 34 bytes, 100 MP",
        "4 times at once: WebP of 34 bytes, 100 MP",
        "300 WebP of 34 bytes, 100 MP each",
    ]
    assert {row["status"] for row in rows} == {422}
    assert all(row["bystander_requests"] > 0 and row["bystander_failed"] == 0 for row in rows)
    assert all(row["name"] in done.stdout for row in rows)
    with pytest.raises(SystemExit, match=r"over the bounds: WebP of 34 bytes, 100 MP; "):
        finish([Row(**row) for row in rows], parse(["--most-s=0"]))
