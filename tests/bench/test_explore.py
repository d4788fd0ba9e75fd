"""The benchmark of planted faults, in its quick form."""

import subprocess
import sys

from bench.planted_faults import CHANGES
from tests.rules.environment import ROOT


def test_every_change_is_measured_and_nearly_all_faults_are_found():
    done = subprocess.run([sys.executable, "-m", "bench.explore", "--quick"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line[17:31].strip() for line in lines[1:6]] == list(CHANGES)
    found = {line.partition("  ")[0]: line for line in lines[6:]}
    for name in ("near-duplicates found", "wrong labels found", "of those listed, wrong"):
        assert found[name].endswith("holds"), done.stdout
