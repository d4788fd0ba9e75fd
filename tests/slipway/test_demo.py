"""demo.sh's own arguments; the whole of it is run by hand and in CI, since it trains for minutes."""

import subprocess
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "demo.sh"


@pytest.mark.parametrize(
    ("arguments", "code", "stream"), [(["--help"], 0, "stdout"), (["-h"], 0, "stdout"), (["--quick"], 2, "stderr")]
)
def test_help_starts_nothing(arguments, code, stream):
    done = subprocess.run([DEMO, *arguments], capture_output=True, text=True)
    assert done.returncode == code
    assert "Usage: ./demo.sh [--from-scratch] [--fresh]" in getattr(done, stream)
    assert "Environment" not in done.stdout
