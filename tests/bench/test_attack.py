"""The attack, at its smallest."""

import json
from pathlib import Path

import pytest

from bench.attack import Row, finish, parse
from bench.serving.workload import Workload
from tests.bench.made_before import MadeBefore
from tests.forked_main import run_main


def test_it_prints_what_a_bystander_saw_and_fails_over_its_bounds(workload: Workload, tmp_path: Path):
    written = tmp_path / "result.json"
    small = ["--only=34 bytes", "--most-s=60", "--most-mb=600"]
    done = run_main("bench.attack", *small, f"--json={written}", plant=MadeBefore(workload))
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
