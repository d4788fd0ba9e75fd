"""`python -m bench.causes`: its table, and one real job under a busy neighbour."""

from pathlib import Path

import pytest

from bench.causes import Outcome, main, table
from bench.causes_run import CAUSES, Job, run_job


def test_a_job_beside_a_busy_neighbour_is_told_so(tmp_path: Path):
    run = run_job(tmp_path, Job(plants=("busy neighbour",)), seconds=20)
    assert run.pictures_a_second > 0
    first = run.findings[0]
    assert first.rule == "OtherPrograms"
    assert first.gain > 1.1
    assert "python" in first.measured


def test_following_an_advice_changes_a_setting_or_takes_the_cause_away():
    job = Job(plants=("small batch", "busy neighbour"))
    assert job.settings["batch-size"] == "2"
    assert job.without("small batch").settings["batch-size"] == "4"
    assert job.without("busy neighbour").plants == ("small batch",)


def test_the_table_compares_what_was_promised_with_what_was_had():
    outcome = Outcome(plants=["slow disk"], named=["IOBottleneck", "BatchSize"], promised=3.0, had=2.0)
    assert "| slow disk | IOBottleneck | yes | 3.00 | 2.00 | 1.50 |" in table([outcome])
    wrong = Outcome(plants=["slow disk"], named=["BatchSize"], promised=1.0, had=2.0)
    assert "| slow disk | BatchSize | no |" in table([wrong])


def test_an_unknown_cause_is_named_with_the_known_ones():
    with pytest.raises(SystemExit, match=f"plants {', '.join(CAUSES)}; not a ghost"):
        main(["--only", "a ghost"])
