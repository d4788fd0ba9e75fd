"""The benchmark of the commands' first answers, in its quick form."""

import subprocess
import sys

from bench.cli import BASELINE, QUICK
from tests.rules.environment import ROOT


def test_every_command_has_its_line_and_its_target():
    done = subprocess.run([sys.executable, "-m", "bench.cli", "--quick"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line[:26].strip() for line in lines[1:-1]] == [BASELINE, *(case.name for case in QUICK)]
    assert all(line.endswith(("holds", "MISSED")) for line in lines[2:-1])
    assert lines[-1].endswith(f"of {len(QUICK)} targets hold")
