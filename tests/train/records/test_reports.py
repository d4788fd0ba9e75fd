"""The reports at the end of a job: whatever goes wrong with a page, the job is not lost."""

import logging
from pathlib import Path

import pytest

from container.report import PROFILER_REPORT, TRAINING_REPORT
from container.train.records.reports import write_reports
from tests.report.records import PlannedJob, write_training


def test_both_pages_of_a_job_that_was_tested(tmp_path: Path):
    PlannedJob(epochs=1).write(tmp_path / "profile")
    write_training(tmp_path)
    write_reports(tmp_path, tested=True)
    assert {path.name for path in tmp_path.glob("*.html")} == {PROFILER_REPORT, TRAINING_REPORT}


def test_an_interrupted_job_has_its_profiler_report_and_no_earlier_training_report(tmp_path: Path):
    PlannedJob(epochs=1).write(tmp_path / "profile")
    (tmp_path / TRAINING_REPORT).write_text("an earlier job's")
    write_reports(tmp_path, tested=False)
    assert [path.name for path in tmp_path.glob("*.html")] == [PROFILER_REPORT]


@pytest.mark.parametrize("damage", ["{", '{"format_version": 1}'])
def test_a_damaged_record_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str):
    PlannedJob(epochs=1).write(tmp_path / "profile")
    (tmp_path / "profile" / "profile.json").write_text(damage)
    with caplog.at_level(logging.WARNING):
        write_reports(tmp_path, tested=False)
    assert "a report could not be written (ReportError: " in caplog.text


def test_a_full_disk_is_a_warning(caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    write_training(tmp_path)
    monkeypatch.setattr("container.report.write.write_atomically", full)
    with caplog.at_level(logging.WARNING):
        write_reports(tmp_path, tested=True)
    assert "No space left on device" in caplog.text
