"""What importing each program costs, once."""

import subprocess
import sys

from bench.start_up import PROGRAMS
from tests.rules.environment import ROOT


def test_every_program_has_its_line():
    done = subprocess.run(
        [sys.executable, "-m", "bench.start_up", "--rounds=1"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()[1:]
    assert [line[:16].strip() for line in lines] == list(PROGRAMS)
    alone, supervisor = (float(line.split()[-2]) for line in lines[:2])
    assert 0 < alone < supervisor
